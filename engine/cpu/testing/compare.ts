/** Compares what a tier did with what the recording processor did. */
import type { Decoded } from '../../isa/decoded.ts';
import { GENERAL_REGISTERS } from '../state.ts';
import { closeEnough, ignoredWindow, type Tolerance, toleranceOf, unitsApart } from './differences.ts';
import type { SandboxOutcome, SandboxState } from './sandbox.ts';
import { COMPLETED, initialState, type Patch, SANDBOX, type VectorCase, type VectorFile } from './vector-file.ts';

/** TF, RF, IF and the bit that is always set. */
const FLAGS_KEPT = ~0x1_0302;
const MXCSR_AT = 24;
const C1 = 0x200;
const INEXACT_UNDERFLOW = 0x30;

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;
const hexBytes = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

export function sandboxState(file: VectorFile, { input }: VectorCase): SandboxState {
  return { ...initialState(file, input), mode: input.mode, repeat: input.repeat, code: input.code, flags: input.flags };
}

/** Linear address of the decoded memory operand under the initial registers, 0 without one. */
function operandAddress(decoded: Decoded, gpr: readonly bigint[]): number {
  if (!decoded.variant.memory) return 0;
  let offset = BigInt(decoded.displacement);
  if (decoded.base >= 0) offset += gpr[decoded.base] ?? 0n;
  if (decoded.index >= 0) offset += (gpr[decoded.index] ?? 0n) << BigInt(decoded.scale);
  if (decoded.ripRelative) offset += BigInt(SANDBOX.entry + decoded.length);
  offset = BigInt.asUintN(decoded.facts.addressWidth, offset);
  return Number(offset) + (decoded.segment === 5 ? SANDBOX.gsBase : 0);
}

function apply(before: Uint8Array, patches: readonly Patch[]): Uint8Array {
  if (patches.length === 0) return before;
  const after = before.slice();
  for (const { at, bytes } of patches) after.set(bytes, at);
  return after;
}

class Differences {
  readonly found: string[] = [];

  expect(what: string, mine: bigint | number, theirs: bigint | number): void {
    if (mine !== theirs) this.found.push(`${what} ${hex(mine)}, recorded ${hex(theirs)}`);
  }
  bytes(what: string, mine: Uint8Array, theirs: Uint8Array): void {
    let i = 0;
    while (i < mine.length && mine[i] === theirs[i]) i++;
    if (i < mine.length) this.found.push(`${what} ${hexBytes(mine)}, recorded ${hexBytes(theirs)}`);
  }
}

function compareFx(to: Differences, mine: Uint8Array, theirs: Uint8Array, tolerance: Tolerance): void {
  const word = (bytes: Uint8Array, at: number): number => (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
  const statusMask = tolerance.transcendental ? ~(C1 | INEXACT_UNDERFLOW) : ~0;
  to.expect('fcw', word(mine, 0), word(theirs, 0));
  to.expect('fsw', word(mine, 2) & statusMask, word(theirs, 2) & statusMask);
  to.expect('ftw', mine[4] ?? 0, theirs[4] ?? 0);
  to.expect('mxcsr', word(mine, MXCSR_AT), word(theirs, MXCSR_AT));
  for (let i = 0; i < 8; i++) {
    const at = 32 + i * 16;
    const [a, b] = [mine.subarray(at, at + 10), theirs.subarray(at, at + 10)];
    if (tolerance.transcendental && unitsApart(a, b) <= 1n) continue;
    to.bytes(`st${i}`, a, b);
  }
  for (let i = 0; i < 16; i++) {
    const at = 160 + i * 16;
    const [a, b] = [mine.subarray(at, at + 16), theirs.subarray(at, at + 16)];
    if (tolerance.approximate) {
      const [x, y] = [a, b].map((bytes) => new DataView(bytes.buffer, bytes.byteOffset, 16)) as [DataView, DataView];
      if ([0, 4, 8, 12].every((lane) => closeEnough(x.getUint32(lane, true), y.getUint32(lane, true)))) continue;
    }
    to.bytes(`xmm${i}`, a, b);
  }
}

/** Every difference in words; empty when the tier agrees with the recording. */
export function differencesOf(
  what: { name: string; form: string; before: SandboxState; vector: VectorCase; decoded: Decoded | undefined },
  outcome: SandboxOutcome,
): string[] {
  const { name, form, before, vector, decoded } = what;
  const { input, output } = vector;
  const tolerance = toleranceOf(name, form);
  const to = new Differences();
  if (tolerance.stackFaultFirst && outcome.vector === 12 && output.vector === 13) return [];
  to.expect('vector', outcome.vector, output.vector);
  if (outcome.vector !== output.vector) return to.found;
  if (output.vector !== COMPLETED) to.expect('error code', outcome.error & tolerance.error, output.error & tolerance.error);
  const page = tolerance.cr2Page ? ~0xfffn : ~0n;
  to.expect('cr2', outcome.cr2 & page, output.cr2 & page);
  const start = input.mode === 2 ? SANDBOX.entry - SANDBOX.code : SANDBOX.entry;
  to.expect('rip', outcome.rip, BigInt.asUintN(64, BigInt(start) + output.advance));
  to.expect('flags', outcome.flags & FLAGS_KEPT & tolerance.flags, output.flags & FLAGS_KEPT & tolerance.flags);
  const after = new Map(output.gpr);
  before.gpr.forEach((value, i) => {
    to.expect(GENERAL_REGISTERS[i] ?? '', outcome.gpr[i] ?? 0n, after.get(i) ?? value);
  });
  compareFx(to, outcome.fx, apply(before.fx, output.fx), tolerance);
  const size = decoded?.facts.width === 16 ? 16 : 32;
  const address = decoded === undefined ? 0 : operandAddress(decoded, before.gpr);
  const ignored = ignoredWindow(name, size, { address, mode: input.mode });
  if (output.vector !== COMPLETED && tolerance.faultLeavesMemory) return to.found;
  const window = apply(before.window, output.window);
  for (let at = 0; at < window.length; at++) {
    if (outcome.window[at] !== window[at] && !ignored(at)) {
      to.expect(`memory at window+${hex(at)}`, outcome.window[at] ?? 0, window[at] ?? 0);
    }
  }
  return to.found;
}
