/** What the host's WebAssembly can do, tried and not read from a version. */

/** Modules of one function each, by hand (WebAssembly Core Specification 3.0, section 5): magic and version, type, function and code section. */
const probes = {
  // () -> v128: i32.const 0, i8x16.splat
  'vector instructions': [1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11],
  // () -> (): return_call 0
  'tail calls': [1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 6, 1, 4, 0, 18, 0, 11],
} as const;

/** Names of the features that generated code needs and that are missing here. */
export function missingWasmFeatures(): string[] {
  const missing = Object.entries(probes)
    .filter(([, sections]) => !WebAssembly.validate(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...sections])))
    .map(([name]) => name);
  return hasSharedMemory() ? missing : [...missing, 'memory shared among threads'];
}

function hasSharedMemory(): boolean {
  try {
    return new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer instanceof SharedArrayBuffer;
  } catch {
    return false;
  }
}
