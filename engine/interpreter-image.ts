/** The generated processor, for a thread that runs vCPUs. */
import { fileURLToPath } from 'node:url';
import { readRegularFile } from './host/files.ts';
import { readMachineCode } from './host/machine-code.ts';
import { withCodeSettings } from './host/v8-settings.ts';
import { codeFile, factsFile, wasmFile } from './interpreter-files.ts';
import type { VcpuThreadPorts } from './machine/build.ts';

/** Its machine code stands beside it; without, V8 takes half a second of its life again. Threads of a process share the code. */
export function readInterpreter(): VcpuThreadPorts['interpreter'] {
  const read = (file: URL) => readRegularFile(fileURLToPath(file), 'program file');
  const wasm = read(wasmFile);
  const module = readMachineCode(wasm, read(codeFile)) ?? withCodeSettings(() => new WebAssembly.Module(wasm));
  return { module, ...JSON.parse(new TextDecoder().decode(read(factsFile))) };
}
