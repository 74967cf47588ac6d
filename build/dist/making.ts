/** What the makers of editions are given. */
export interface Making {
  /** Folder with `application/`; what is made is put beside that. */
  readonly folder: string;
  /** When the sources were committed. */
  readonly time: Date;
}

/** What a maker did. */
export interface Made {
  /** Paths of artefacts. */
  readonly made: readonly string[];
  readonly skipped?: readonly { readonly target: string; readonly reason: string }[];
}
