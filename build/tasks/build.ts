/** `npm run build`: the interpreter and the programs, into `.out/`. */
import { buildAll } from './bundle.ts';

await buildAll();
