/** The generated processor as the build left it. Part of the composition roots of the threads. */
import { fileURLToPath } from 'node:url';
import { EngineError } from './base/errors.ts';
import { isRegularFile } from './host/files.ts';

export const wasmFile = new URL('../.out/interpreter.wasm', import.meta.url);
export const codeFile = new URL('../.out/interpreter.code', import.meta.url);
export const factsFile = new URL('../.out/interpreter.json', import.meta.url);

/** Fails with `build-missing`: threads that find no processor could not say so as well. */
export function checkInterpreter(): void {
  for (const file of [wasmFile, codeFile, factsFile]) {
    const path = fileURLToPath(file);
    if (!isRegularFile(path)) throw new EngineError('build-missing', { file: path });
  }
}
