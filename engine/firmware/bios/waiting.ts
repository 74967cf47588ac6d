/** Waiting in steps of traps: a moment of machine time in the frame's scratch word, in units of four microseconds. */
import type { Frame } from './frame.ts';
import type { BiosHost } from './host.ts';

const UNIT = 4000;
const TURN = 2 ** 31;

/** Whether `microseconds` (32 bits) have passed since the first time this was asked in a call. Owns the scratch word. */
export function waited(host: BiosHost, f: Frame, microseconds: number): boolean {
  const now = Math.floor(host.now() / UNIT) % TURN;
  if (f.scratch === 0) f.scratch = Math.max(1, (now + Math.ceil(microseconds / 4)) % TURN);
  const left = (f.scratch - now + TURN) % TURN;
  return left === 0 || left > TURN / 2;
}
