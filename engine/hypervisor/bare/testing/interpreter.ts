import type { InterpreterImage } from '../../../cpu/index.ts';
import { generateInterpreter } from '../../../cpu/interpreter/generate.ts';
import { definitions } from '../../../isa/all.ts';

/** The interpreter as it is in the sources now, with every handler outside the loop. */
export function interpreterImage(): InterpreterImage {
  const { wasm, trees, ends, stack, shaped } = generateInterpreter(definitions, []);
  return { module: new WebAssembly.Module(wasm), trees, ends, stack, shaped };
}
