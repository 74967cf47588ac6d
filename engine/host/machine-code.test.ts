import { expect, it } from 'vitest';
import { readMachineCode, writeMachineCode } from './machine-code.ts';

/** (module (func (export "f") (param i32) (result i32) local.get 0 i32.const N i32.add)) */
const adder = (n: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...[1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f],
    ...[3, 2, 1, 0, 7, 5, 1, 1, 0x66, 0, 0],
    ...[10, 9, 1, 7, 0, 0x20, 0, 0x41, n, 0x6a, 0x0b],
  ]);

it('takes up the code that it wrote', () => {
  const module = readMachineCode(adder(5), writeMachineCode(adder(5)));
  const { f } = new WebAssembly.Instance(module as WebAssembly.Module).exports as { f: (n: number) => number };
  expect(f(37)).toBe(42);
});

it('refuses code of another module', () => {
  expect(readMachineCode(adder(6), writeMachineCode(adder(5)))).toBeUndefined();
});

it('refuses a damaged file', () => {
  const file = writeMachineCode(adder(5));
  for (const at of [0, 31, 32, 40, file.length - 1]) {
    const damaged = file.slice();
    damaged[at] = (damaged[at] as number) ^ 1;
    expect(readMachineCode(adder(5), damaged)).toBeUndefined();
  }
  for (const length of [0, 31, 32, 33, file.length - 1]) expect(readMachineCode(adder(5), file.slice(0, length))).toBeUndefined();
});
