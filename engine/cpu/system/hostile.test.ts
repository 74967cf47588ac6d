/** Random tables, registers and arguments: routines only ever throw the guest's faults, and a fault that is not `late` leaves no trace. */
import { expect, test } from 'vitest';
import { vcpuState } from '../state.ts';
import { Random } from '../testing/random.ts';
import { deliverEvent } from './events.ts';
import { systemRoutines } from './routines.ts';
import { Bench, GDT, IDT, LDT, STACK0, STACK3, TSS } from './testing/bench.ts';

const NAMES = Object.keys(systemRoutines) as (keyof typeof systemRoutines)[];
/** Present descriptors of every type, mostly flat: random bytes alone rarely pass the first check. */
function randomDescriptor(random: Random): readonly [number, number] {
  const type = random.below(32);
  const present = random.below(8) === 0 ? 0 : 0x8000;
  const flags = random.below(16) << 20;
  const flat = random.below(2) === 0;
  const low = flat ? 0xffff : random.below(0x10000) | (random.below(0x10000) << 16);
  const gate = type < 16 && (type & 4) !== 0;
  const lowGate = random.below(0x8000) | (random.below(0x100) << 16);
  return [
    gate ? lowGate : low,
    (flags | present | (type << 8) | (random.below(4) << 13) | (flat ? 0xf0000 : random.below(256))) >>> 0,
  ];
}

let used: Bench | undefined;

function scramble(random: Random): Bench {
  used = new Bench('x86-64-v2', used);
  const b = used;
  if (random.below(4) === 0) b.vm86(random.below(4), BigInt(random.below(4)));
  if ((b.flags & 0x20000) === 0) {
    const kind = random.below(5);
    if (kind > 0) b.standard(random.below(2) === 0 ? 0 : 3, kind > 2 ? 'long' : 'protected');
  }
  const { view } = b.memory;
  const long = (b.s.efer & 0x400n) !== 0n;
  for (let i = 0; i < 32; i++) {
    if (random.below(3) === 0) continue;
    for (const table of [GDT + 8 * i, LDT + 8 * i, IDT + (long ? 16 : 8) * i]) {
      const [lo, hi] = randomDescriptor(random);
      view.setUint32(table, lo, true);
      view.setUint32(table + 4, hi, true);
    }
  }
  for (let at = 0; at < 0x70; at += 4) view.setUint32(TSS + at, random.below(0x10000), true);
  for (const stack of [STACK0, STACK3]) for (let at = 0; at < 64; at += 2) view.setUint16(stack + at, random.below(0x140), true);
  for (let i = 0; i < 16; i++) if (i !== 4) b.s.gpr[i] = random.below(2) === 0 ? BigInt(random.below(0x1000)) : random.long();
  if (random.below(8) === 0) b.s.gpr[4] = random.long();
  if (random.below(4) === 0) b.s.gdtrLimit = random.below(0x100);
  if (random.below(4) === 0) b.memory.absent.add(random.below(16));
  b.flags = (b.flags & 0x20000) | (random.below(0x400000) & 0x3d7fd7) | 2;
  return b;
}

/** IRET unblocks NMIs whatever becomes of it (SDM vol. 3, 6.7.1). */
const visible = (b: Bench) =>
  JSON.stringify(
    vcpuState.save(b.s).filter(([id]) => id !== vcpuState.fields.nmiBlocked.id),
    (_key, value) => (typeof value === 'bigint' ? value.toString(16) : value),
  );

test('faults leave no trace', () => {
  const random = new Random(20261121);
  const seen = { faults: 0, late: 0, done: 0 };
  for (let round = 0; round < 3000; round++) {
    const b = scramble(random);
    const name = NAMES[round % NAMES.length] as (typeof NAMES)[number];
    const small = () => BigInt(random.below(0x120));
    const width = [16n, 32n, 64n][random.below(3)] as bigint;
    const wide = ['iret', 'returnFar', 'sysret', 'sysexit'].includes(name);
    const first = wide ? width : name === 'interrupt' ? small() & 0xffn : small();
    const third = name === 'jumpFar' || name === 'callFar' ? width : small();
    const before = visible(b);
    const fault = b.run((c) =>
      systemRoutines[name](c, first, name === 'interrupt' ? BigInt(random.below(4)) : name === 'popf' ? 16n : small(), third, 0n),
    );
    if (fault === undefined) seen.done++;
    else if (fault.late) seen.late++;
    else {
      seen.faults++;
      expect(visible(b), `${name} round ${round}`).toBe(before);
    }
    expect(b.s.cpl).toBeLessThan(4);
  }
  expect(seen.faults).toBeGreaterThan(500);
  expect(seen.done).toBeGreaterThan(500);
});

test('delivery always ends in a handler or in shutdown', () => {
  const random = new Random(42);
  let shutdowns = 0;
  for (let round = 0; round < 1500; round++) {
    const b = scramble(random);
    const vector = random.below(40);
    const errorCode = [8, 10, 11, 12, 13, 14].includes(vector) ? random.below(0x100) : undefined;
    deliverEvent(b, { vector, kind: random.below(2) === 0 ? 'fault' : 'interrupt', errorCode });
    if (b.left.includes('shutdown')) shutdowns++;
  }
  expect(shutdowns).toBeGreaterThan(100);
  expect(shutdowns).toBeLessThan(1500);
});
