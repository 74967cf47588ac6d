/**
 * Initial states ("environments") that vector cases share: registers, x87 and SSE state and the memory window full of values of one
 * kind. A case names an environment and changes what it must, so that the file holds few inputs.
 */
import { type Environment, WINDOW_BYTES } from '../../../engine/cpu/testing/vector-file.ts';
import { double, extended, Random, single } from './random.ts';

export type EnvironmentKind = 'integer' | 'packed' | 'single' | 'double' | 'x87';

/** Stack pointer and frame pointer of every environment, inside the window. */
export const STACK = 0x10010e00n;
const FRAME = 0x10010e40n;

function windowOf(random: Random, kind: EnvironmentKind): Uint8Array {
  const bytes = new Uint8Array(WINDOW_BYTES);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < WINDOW_BYTES; at += 8) {
    if (kind === 'integer' || kind === 'packed') view.setBigUint64(at, random.integer(), true);
    else if (at < 256) {
      view.setUint32(at, single(random), true);
      view.setUint32(at + 4, single(random), true);
    } else if (at < 512) view.setBigUint64(at, double(random), true);
    else if (at >= 768) view.setBigUint64(at, random.integer(), true);
  }
  if (kind === 'integer' || kind === 'packed') return bytes;
  for (let at = 512; at < 768; at += 16) {
    const [signExponent, significand] = extended(random);
    view.setBigUint64(at, significand, true);
    view.setUint16(at + 8, signExponent, true);
  }
  for (let at = 896; at < 1024; at += 16) {
    // packed decimals, mostly valid
    for (let i = 0; i < 9; i++) bytes[at + i] = random.below(10) * 16 + random.below(10);
    bytes[at + 9] = random.chance(50) ? 0x80 : 0;
    if (random.chance(25)) bytes.fill(0, at + 1 + random.below(8), at + 9);
  }
  return bytes;
}

function vectorOf(random: Random, kind: EnvironmentKind): [bigint, bigint] {
  if (kind === 'double') return [double(random), double(random)];
  if (kind !== 'single') return [random.integer(), random.integer()];
  const four = Array.from({ length: 4 }, () => BigInt(single(random)));
  return [(four[0] ?? 0n) | ((four[1] ?? 0n) << 32n), (four[2] ?? 0n) | ((four[3] ?? 0n) << 32n)];
}

function fxOf(random: Random, kind: EnvironmentKind): Uint8Array {
  const bytes = new Uint8Array(416);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x37f, true);
  view.setUint32(24, 0x1f80, true);
  view.setUint32(28, 0xffff, true);
  if (kind === 'x87') {
    bytes[4] = random.chance(70) ? 0xff : random.below(256);
    view.setUint16(2, random.below(8) << 11, true);
  }
  for (let i = 0; i < 8; i++) {
    const [signExponent, significand] = kind === 'x87' ? extended(random) : [0xffff, random.integer()];
    view.setBigUint64(32 + i * 16, significand, true);
    view.setUint16(40 + i * 16, signExponent, true);
  }
  for (let i = 0; i < 16; i++) {
    const [low, high] = vectorOf(random, kind === 'x87' ? 'packed' : kind);
    view.setBigUint64(160 + i * 16, low, true);
    view.setBigUint64(168 + i * 16, high, true);
  }
  return bytes;
}

/** One environment; the seed and the index give always the same. */
export function makeEnvironment(kind: EnvironmentKind, index: number): Environment {
  const random = new Random(`environment ${kind} ${index}`);
  const gpr = Array.from({ length: 16 }, () => random.integer());
  gpr[4] = STACK;
  gpr[5] = FRAME;
  return { gpr, fx: fxOf(random, kind), window: windowOf(random, kind) };
}
