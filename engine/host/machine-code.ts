/**
 * WebAssembly with the machine code that V8 made of it, kept in a file: V8 can write down what its optimizer did and take it up again in
 * another process. JavaScript has no word for that; V8's runtime functions for its own tests do (decision 0070).
 */
import { setFlagsFromString } from 'node:v8';
import { crc32 } from 'node:zlib';

/** Before the code: a sum over the code, what it was made from and who made it. It finds damage; who may write the file may write us. */
const SUM_BYTES = 4;

type Bytes = Uint8Array<ArrayBuffer>;

/** What V8 writes first: magic number, its version, the processor's features, its settings, the features of WebAssembly that were on. */
const HEADER_BYTES = 20;
/** One function that does nothing. */
const SMALLEST = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 10, 4, 1, 2, 0, 0x0b);

/**
 * Compile a whole module with the optimizer and return the contents of the file to keep, to be taken up under V8's own settings. Takes a
 * second per megabyte of WebAssembly. Throws when V8 would not take it up.
 *
 * @param compile under the settings that suit it
 */
export function writeMachineCode(wasm: Bytes, compile = (bytes: Bytes) => new WebAssembly.Module(bytes)): Bytes {
  const [module, smallest] = withFlags(['liftoff', 'wasm-lazy-compilation'], false, () => [
    compile(wasm),
    new WebAssembly.Module(SMALLEST),
  ]);
  const serialize = runtimeFunction('module', 'return %SerializeWasmModule(module)');
  const code = new Uint8Array(serialize(module) as ArrayBuffer);
  // Features that were on while it was compiled leave nothing in the code that has to be on where it runs.
  code.set(new Uint8Array(serialize(smallest) as ArrayBuffer).subarray(0, HEADER_BYTES));
  const file = new Uint8Array(SUM_BYTES + code.length);
  new DataView(file.buffer).setUint32(0, sum(wasm, code));
  file.set(code, SUM_BYTES);
  if (readMachineCode(wasm, file) === undefined) throw new Error('V8 does not take up the machine code that it wrote');
  return file;
}

/**
 * The module with its machine code. `undefined` when the file is damaged or comes from another V8, other flags of V8, another kind of
 * processor or other WebAssembly.
 */
export function readMachineCode(wasm: Bytes, file: Bytes): WebAssembly.Module | undefined {
  const code = file.slice(SUM_BYTES);
  // V8 ends the process when it is given nonsense: it is asked only about what this version of it wrote.
  const { buffer, byteOffset, length } = file;
  if (length < SUM_BYTES || new DataView(buffer, byteOffset).getUint32(0) !== sum(wasm, code)) return undefined;
  const deserialize = runtimeFunction('code', 'wasm', 'return %DeserializeWasmModule(code, wasm)');
  const module = deserialize(code.buffer, wasm);
  return module instanceof WebAssembly.Module ? module : undefined;
}

function sum(wasm: Bytes, code: Bytes): number {
  const { v8, node, electron } = process.versions;
  const maker = JSON.stringify([v8, node, electron, process.platform, process.arch, wasm.length]);
  return crc32(code, crc32(wasm, crc32(maker)));
}

/** A function that may name V8's runtime functions. */
function runtimeFunction(...source: string[]): (...words: unknown[]) => unknown {
  return withFlags(['allow-natives-syntax'], true, () => {
    const made = new Function(...source) as (...words: unknown[]) => unknown;
    return made;
  });
}

/** Flags are put back at once: V8 refuses code that was written under other flags than it is read under. */
function withFlags<T>(flags: readonly string[], on: boolean, act: () => T): T {
  for (const flag of flags) setFlagsFromString(on ? `--${flag}` : `--no-${flag}`);
  try {
    return act();
  } finally {
    for (const flag of flags) setFlagsFromString(on ? `--no-${flag}` : `--${flag}`);
  }
}
