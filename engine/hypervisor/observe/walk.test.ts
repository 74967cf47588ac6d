/** The walk for people against the walk of the processor: random tables, one load each, and what both say about it. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../cpu/testing/random.ts';
import { Stage, type StageMode } from '../../cpu/testing/stage.ts';
import { tiers } from '../../cpu/testing/tiers.ts';
import { PROC2 } from '../../cpu/vmx/fields.ts';
import { VmxStage } from '../../cpu/vmx/testing/vmx-stage.ts';
import { FIXED, type MachineMemory } from '../../memory/index.ts';
import { type Translation, type Walk, walk } from './index.ts';

/** Sixteen pages of tables. */
const TABLES = 0x20_0000;
const PAGES = 16;
const PHYSICAL_BITS = 40;
const RAM = 4 << 20;

const translationOf = (machine: MachineMemory, eptPointer?: bigint): Translation => ({
  ...(eptPointer === undefined ? {} : { eptPointer }),
  physicalBits: PHYSICAL_BITS,
  hostAddress: (pa) => {
    const entry = pa < 2n ** 34n ? (machine.u32[(FIXED.physTable >>> 2) + Number(pa >> 12n)] as number) : 0;
    return (entry & 3) === 0 ? undefined : ((entry & 0xfffff000) >>> 0) + Number(pa & 0xfffn);
  },
});

function walkOf(stage: Stage, gva: bigint, eptPointer?: bigint): Walk {
  const { s, cpu } = stage;
  const { machine } = cpu;
  const sregs = { cr0: s.cr0, cr3: s.cr3, cr4: s.cr4, efer: s.efer, pdptrs: Array.from(s.pdpte) };
  return walk({ gva, sregs, translation: translationOf(machine, eptPointer), memory: machine.dv });
}

/** An entry that leads on more often than not. */
function entry(random: Random, bits: 32 | 64): bigint {
  const table = BigInt(TABLES + 4096 * random.below(PAGES));
  const ram = BigInt(4096 * random.below(RAM / 4096));
  let value = random.chance(75) ? table : ram;
  value |= 1n | BigInt(random.below(16) << 1) | (random.chance(15) ? 0x80n : 0n);
  if (random.chance(20)) value &= ~0x1f_f000n; // aligned for a large page
  if (random.chance(4)) value &= ~1n;
  if (bits === 32) return value | (random.chance(5) ? 1n << BigInt(13 + random.below(19)) : 0n);
  if (random.chance(4)) value |= 1n << BigInt(28 + random.below(24));
  if (random.chance(10)) value |= 1n << BigInt(52 + random.below(12));
  return value;
}

function fill(stage: Stage, random: Random, bits: 32 | 64): void {
  const values = Array.from({ length: PAGES * 512 }, () => {
    return bits === 64 ? entry(random, 64) : entry(random, 32) | (entry(random, 32) << 32n);
  });
  stage.write(TABLES, ...values);
}

const interpreter = tiers.find(({ name }) => name === 'interpreter');
if (interpreter === undefined) throw new Error('there is no interpreter');

interface Mode {
  readonly name: Walk['paging'];
  readonly stage: StageMode;
  readonly bits: 32 | 64;
  prepare(stage: Stage): void;
  gva(random: Random): bigint;
}

const modes: readonly Mode[] = [
  {
    name: '4-level',
    stage: 'long',
    bits: 64,
    prepare: (stage) => {
      for (let i = 1; i < 512; i++) stage.write(0x1000 + 8 * i, BigInt(TABLES + 4096 * (i % PAGES)) | 3n);
    },
    gva: (random) => BigInt.asUintN(64, BigInt.asIntN(random.chance(95) ? 48 : 64, (random.long() >> 8n) | (1n << 39n))),
  },
  {
    name: 'PAE',
    stage: 'code32',
    bits: 64,
    prepare: (stage) => {
      stage.s.cr4 |= 0x20n;
      stage.s.cr0 |= 1n << 31n;
      for (const i of [0, 1, 2, 3]) stage.s.pdpte[i] = i === 0 ? 0x3001n : BigInt(TABLES + 4096 * i) | (i === 3 ? 0n : 1n);
    },
    gva: (random) => (random.long() & 0xffff_ffffn) | (1n << 30n),
  },
  {
    name: '32-bit',
    stage: 'code32',
    bits: 32,
    prepare: (stage) => {
      stage.s.cr3 = BigInt(TABLES);
      stage.s.cr4 |= 0x10n;
      stage.s.cr0 |= 1n << 31n;
    },
    gva: (random) => (random.long() & 0xffff_ffffn) | (1n << 22n),
  },
];

describe.each(modes)('paging $name', ({ name, stage: mode, bits, prepare, gva }) => {
  it('says what the processor finds at 600 random addresses', () => {
    const random = new Random(7);
    const stage = new Stage(interpreter, mode);
    prepare(stage);
    const seen = { found: 0, 'not present': 0, reserved: 0, bus: 0 };
    for (let round = 0; round < 600; round++) {
      if (round % 60 === 0) fill(stage, random, bits);
      if (bits === 32) stage.write(TABLES, (entry(random, 32) << 32n) | 0x83n); // the code's own page
      const address = gva(random);
      stage.cpu.changed();
      const result = walkOf(stage, address);
      expect(result.paging).toBe(name);
      const { fault, error, rax } = stage.run(mode === 'long' ? 'mov al, [rbx]' : 'mov al, [ebx]', { rbx: address });
      const what = { address: address.toString(16), result, fault, error };
      if (fault === 13)
        expect(result.fault, JSON.stringify(what, hex)).toEqual({ at: 'linear address', reason: 'not canonical' });
      else if (fault === undefined && result.hva === undefined) {
        // A table where no memory is reads as all ones: without reserved bits that is an entry like any other.
        expect(result.fault?.reason, JSON.stringify(what, hex)).toMatch(bits === 32 ? /no memory/ : /no memory is there/);
        expect(rax & 0xffn).toBe(0xffn);
        seen.bus++;
      } else if (fault === undefined) {
        expect(BigInt(stage.cpu.machine.u8[result.hva ?? 0] ?? 0), JSON.stringify(what, hex)).toBe(rax & 0xffn);
        seen.found++;
      } else {
        const reserved = ((error ?? 0) & 8) !== 0;
        expect(result.fault?.reason, JSON.stringify(what, hex)).toMatch(reserved ? /reserved bits|no memory/ : /not present/);
        seen[reserved ? 'reserved' : 'not present']++;
      }
    }
    // All ways out were taken, or this compared nothing.
    for (const [way, times] of Object.entries(seen)) expect(times, way).toBeGreaterThan(1);
  });
});

it('EPT: says what the processor finds under 200 random tables', () => {
  const EPT = { root: 0x28_0000, directory: 0x28_2000, table: 0x28_3000 };
  const random = new Random(11);
  const vmx = new VmxStage();
  const { stage } = vmx;
  const seen: Record<number, number> = { 18: 0, 48: 0, 49: 0 };
  // A gigabyte at 40000000h for the guest: only EPT decides what is there.
  stage.write(0x2000 + 8, 0x4000_0083n);
  for (let round = 0; round < 200; round++) {
    stage.write(EPT.root, BigInt(EPT.root + 0x1000) | 7n);
    const gigabyte = random.chance(30) ? eptEntry(random) | 0x80n : BigInt(EPT.directory) | 7n;
    stage.write(EPT.root + 0x1000, BigInt(EPT.directory) | 7n, gigabyte);
    stage.write(EPT.directory, 0xb7n, random.chance(50) ? BigInt(EPT.table) | 7n : eptEntry(random));
    stage.write(EPT.table, ...Array.from({ length: 512 }, () => eptEntry(random)));
    const address = (random.chance(50) ? 0x4000_0000n : 0n) + 0x20_0000n + BigInt(random.below(0x20_0000));
    const eptPointer = BigInt(EPT.root) | 0x1en;
    vmx.guest('mov al, [rbx]\nvmcall', { proc2Controls: PROC2.ept, eptPointer }, { rbx: address });
    const reason = Number(vmx.field('exitReason'));
    const result = walkOf(stage, address, eptPointer);
    const what = JSON.stringify({ address: address.toString(16), result, reason }, hex);
    seen[reason] = (seen[reason] ?? 0) + 1;
    if (reason === 49) expect(result.fault?.reason, what).toMatch(/misconfiguration|no memory/);
    else if (reason === 48) {
      // An entry may be there and not be readable: a walk for people shows that as a right it does not have.
      const readable = [...result.last.map(({ flags }) => flags.includes('R'))].every(Boolean);
      expect(result.fault?.reason.startsWith('EPT violation') || !readable, what).toBe(true);
    } else {
      expect(reason, what).toBe(18);
      const byte = result.hva === undefined ? 0xff : (stage.cpu.machine.u8[result.hva] ?? 0);
      expect(stage.s.gpr[0] ?? 0n, what).toBe(BigInt(byte));
    }
  }
  for (const [reason, times] of Object.entries(seen)) expect(times, `exit reason ${reason}`).toBeGreaterThan(5);
  expect(Object.keys(seen)).toEqual(['18', '48', '49']);
});

function eptEntry(random: Random): bigint {
  let value = BigInt(4096 * random.below(RAM / 4096)) | BigInt(random.chance(85) ? 7 : random.below(8));
  if (random.chance(60)) value |= 0x30n;
  else value |= BigInt(random.below(8) << 3);
  if (random.chance(30)) value |= 0x80n;
  if (random.chance(30)) value &= ~0x1f_f000n;
  if (random.chance(5)) value |= 1n << BigInt(36 + random.below(16));
  return value;
}

function hex(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `0x${value.toString(16)}` : value;
}
