/** The bundler takes style sheets that modules import. */
declare module '*.css';
/** The version of the program, put in by the bundler. */
declare const rootmodeVersion: string;
