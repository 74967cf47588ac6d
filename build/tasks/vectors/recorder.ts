/** Talks to the recorder (recorder.c): requests and results as its structures lay them out. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  COMPLETED,
  type Environment,
  initialState,
  type Patch,
  SANDBOX,
  type VectorInput,
  type VectorOutput,
  WINDOW_BYTES,
} from '../../../engine/cpu/testing/vector-file.ts';

const RECORD_BYTES = 1600;
/** TF, RF, IF and the bit that is always set say nothing about the instruction. */
const FLAGS_KEPT = ~0x1_0302;

/** Compile the recorder; the result deletes it again. Throws when there is no C compiler. */
export function compileRecorder(): { readonly path: string; dispose(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'rootmode-recorder-'));
  const path = join(folder, 'recorder');
  execFileSync(
    'gcc',
    ['-O2', '-mno-red-zone', '-Wall', '-Wextra', '-Werror', '-o', path, join(import.meta.dirname, 'recorder.c')],
    {
      stdio: 'inherit',
    },
  );
  return { path, dispose: () => rmSync(folder, { recursive: true }) };
}

function request(environments: readonly Environment[], input: VectorInput): Buffer {
  const bytes = Buffer.alloc(RECORD_BYTES);
  const { gpr, fx, window } = initialState({ environments, groups: [] }, input);
  bytes[0] = input.code.length;
  bytes[1] = input.mode;
  bytes[2] = input.repeat ? 1 : 0;
  bytes.set(input.code, 8);
  for (const [i, value] of gpr.entries()) bytes.writeBigUInt64LE(value, 24 + i * 8);
  bytes.writeBigUInt64LE(BigInt(input.flags), 152);
  bytes.set(fx, 160);
  bytes.set(window, 576);
  return bytes;
}

/** Runs of bytes that differ; gaps of up to two equal bytes are bridged. */
function differences(before: Uint8Array, after: Uint8Array): Patch[] {
  const runs: { at: number; end: number }[] = [];
  for (let i = 0; i < before.length; i++) {
    if (before[i] === after[i]) continue;
    const last = runs.at(-1);
    if (last !== undefined && i - last.end <= 2) last.end = i + 1;
    else runs.push({ at: i, end: i + 1 });
  }
  return runs.map(({ at, end }) => ({ at, bytes: after.slice(at, end) }));
}

/** Instruction and operand pointers, last opcode and reserved bytes are not compared: processors differ. */
function comparable(before: Uint8Array, after: Uint8Array): Uint8Array {
  const result = after.slice();
  const keep = (from: number, to: number): void => result.set(before.subarray(from, to), from);
  keep(5, 24);
  keep(28, 32);
  for (let i = 0; i < 8; i++) keep(42 + i * 16, 48 + i * 16);
  return result;
}

/** The pushed image of RFLAGS holds the trap flag by which the recorder steps. */
function withoutTrapFlag(input: VectorInput, rsp: bigint, window: Uint8Array): void {
  const prefixes = input.code.subarray(0, -1);
  if (input.code.at(-1) !== 0x9c || prefixes.some((byte) => byte !== 0x66 && (byte & 0xf0) !== 0x40)) return;
  const at = Number(rsp) - (input.mode === 2 ? SANDBOX.window - SANDBOX.data : SANDBOX.window) + 1;
  window[at] = (window[at] ?? 0) & 0xfe;
}

function outputOf(environments: readonly Environment[], input: VectorInput, bytes: Buffer): VectorOutput | undefined {
  const before = initialState({ environments, groups: [] }, input);
  if (bytes[1] !== 0) return undefined;
  const vector = bytes[0] ?? COMPLETED;
  const error = bytes.readUInt32LE(4);
  const cr2 = bytes.readBigUInt64LE(8);
  // The system hides what page faults at its own addresses are, and mappings of the recorder are not part of the sandbox.
  if (vector === 14 && (cr2 >= 0x7fff_0000_0000n || (error & 1) !== 0)) return undefined;
  const gpr: [number, bigint][] = [];
  for (let i = 0; i < 16; i++) {
    const value = bytes.readBigUInt64LE(32 + i * 8);
    if (value !== before.gpr[i]) gpr.push([i, value]);
  }
  const window = bytes.subarray(576, 576 + WINDOW_BYTES).slice();
  if (vector === COMPLETED) withoutTrapFlag(input, bytes.readBigUInt64LE(64), window);
  const start = input.mode === 2 ? SANDBOX.entry - SANDBOX.code : SANDBOX.entry;
  return {
    vector,
    error,
    cr2,
    advance: BigInt.asUintN(64, bytes.readBigUInt64LE(16) - BigInt(start)),
    flags: Number(bytes.readBigUInt64LE(24) & 0xffffffffn) & FLAGS_KEPT,
    gpr,
    fx: differences(before.fx, comparable(before.fx, bytes.subarray(160, 576))),
    window: differences(before.window, window),
  };
}

/** Execute all inputs. `undefined` where a case says nothing about the processor alone. */
export async function record(
  path: string,
  environments: readonly Environment[],
  inputs: readonly VectorInput[],
): Promise<(VectorOutput | undefined)[]> {
  const child = spawn(path, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<number | string>((resolve) => child.on('close', (code, signal) => resolve(signal ?? code ?? 'lost')));
  const outputs: (VectorOutput | undefined)[] = [];
  let rest = Buffer.alloc(0);
  child.stdout.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    let at = 0;
    for (; at + RECORD_BYTES <= rest.length; at += RECORD_BYTES) {
      const input = inputs[outputs.length];
      if (input !== undefined) outputs.push(outputOf(environments, input, rest.subarray(at, at + RECORD_BYTES)));
    }
    rest = rest.subarray(at);
  });
  child.stdin.on('error', () => child.stdin.destroy());
  for (let i = 0; i < inputs.length; i += 512) {
    const more = child.stdin.write(Buffer.concat(inputs.slice(i, i + 512).map((input) => request(environments, input))));
    if (!more) await Promise.race([once(child.stdin, 'drain'), ended]);
  }
  child.stdin.end();
  const status = await ended;
  if (status !== 0 || outputs.length !== inputs.length) {
    throw new Error(`the recorder ended with ${status} after ${outputs.length} of ${inputs.length} cases`);
  }
  return outputs;
}
