import { describe, expect, it } from 'vitest';
import { i440fxPlatform } from '../platform.ts';
import { bridgeWindow, device, eisaId, integer, list, name, path, resources } from './aml.ts';
import { placeAcpiTables } from './tables.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const platform = (cpus: number) => i440fxPlatform({ cpus, ramBytes: 64 << 20 });

/** The tables as an operating system finds them: through the RSDP, checking every sum on the way. */
function readTables(cpus: number) {
  const memory = Buffer.alloc(0x100000);
  const placed = placeAcpiTables(platform(cpus), 0xf0000);
  for (const { gpa, bytes } of placed.pieces) memory.set(bytes, gpa);
  const sum = (at: number, size: number) => memory.subarray(at, at + size).reduce((total, byte) => (total + byte) & 0xff, 0);
  const table = (at: number) => {
    const size = memory.readUInt32LE(at + 4);
    return {
      at,
      signature: memory.toString('latin1', at, at + 4),
      size,
      sum: sum(at, size),
      bytes: memory.subarray(at, at + size),
    };
  };
  const { rsdp } = placed;
  const xsdt = table(Number(memory.readBigUInt64LE(rsdp + 24)));
  const rsdt = table(memory.readUInt32LE(rsdp + 16));
  const listed = Array.from({ length: (xsdt.size - 36) / 8 }, (_, i) => table(Number(xsdt.bytes.readBigUInt64LE(36 + 8 * i))));
  const fadt = listed.find((one) => one.signature === 'FACP')?.bytes ?? Buffer.alloc(0);
  return { memory, placed, rsdp, sum, xsdt, rsdt, listed, fadt, dsdt: table(Number(fadt.readBigUInt64LE(140))) };
}

describe('AML', () => {
  it.each([
    // Encodings worked out by hand from ACPI 6.5 section 20.2.
    ['zero', integer(0), '00'],
    ['one', integer(1), '01'],
    ['byte', integer(0x42), '0a42'],
    ['word', integer(0x1234), '0b3412'],
    ['double word', integer(0xfee00000), '0c0000e0fe'],
    ['quad word', integer(2n ** 40n), '0e0000000000010000'],
    ['root path of two', path('\\_SB.PCI0'), '5c2e5f53425f50434930'],
    ['padded segment', path('ISA'), '4953415f'],
    ['EISA id', eisaId('PNP0A03'), '0c41d00a03'],
    ['package', list(integer(0), integer(0xff)), '1205020' + '00aff'],
    ['name', name('_UID', integer(1)), '085f55494401'],
  ])('encodes %s', (_what, bytes, expected) => {
    expect(hex(bytes)).toBe(expected);
  });

  it('counts package lengths over one, two and three bytes', () => {
    const lengthBytes = (size: number) => {
      const bytes = device('DEVA', new Uint8Array(size));
      const extra = (bytes[2] ?? 0) >> 6;
      let total = (bytes[2] ?? 0) & (extra === 0 ? 0x3f : 0x0f);
      for (let i = 0; i < extra; i++) total += (bytes[3 + i] ?? 0) * 2 ** (4 + 8 * i);
      return { extra, covered: bytes.length - 2, total };
    };
    for (const [size, extra] of [
      [10, 0],
      [58, 0],
      [59, 1],
      [4089, 1],
      [4090, 2],
      [70000, 2],
    ] as const) {
      const { extra: found, covered, total } = lengthBytes(size);
      expect([size, found, total]).toEqual([size, extra, covered]);
    }
  });

  it('ends resource templates with a sum of zero', () => {
    const bytes = resources(bridgeWindow('memory', 0xe0000000, 0xfebfffff));
    const body = bytes.subarray(bytes.length - (bytes[3] ?? 0));
    expect(body.reduce((sum, byte) => (sum + byte) & 0xff, 0)).toBe(0);
    expect(body[0]).toBe(0x87);
  });

  it('refuses names that ACPI does not have', () => {
    expect(() => path('lower')).toThrow(RangeError);
    expect(() => eisaId('PNP')).toThrow(RangeError);
  });
});

describe('ACPI tables', () => {
  it('are found through the RSDP with every checksum right', () => {
    const t = readTables(4);
    expect(t.memory.toString('latin1', t.rsdp, t.rsdp + 8)).toBe('RSD PTR ');
    expect([t.sum(t.rsdp, 20), t.sum(t.rsdp, 36)]).toEqual([0, 0]);
    expect([t.xsdt, t.rsdt, t.dsdt, ...t.listed].map((one) => [one.signature, one.sum])).toEqual([
      ['XSDT', 0],
      ['RSDT', 0],
      ['DSDT', 0],
      ['FACP', 0],
      ['APIC', 0],
    ]);
  });

  it('point both ways of finding a table at the same one, and to an aligned FACS', () => {
    const t = readTables(1);
    expect(t.rsdt.bytes.readUInt32LE(36)).toBe(t.listed[0]?.at);
    expect(t.fadt.readUInt32LE(36)).toBe(t.placed.facs);
    expect(t.placed.facs % 64).toBe(0);
    expect(t.memory.toString('latin1', t.placed.facs, t.placed.facs + 4)).toBe('FACS');
  });

  it('give the fixed hardware in the FADT', () => {
    const { fadt } = readTables(1);
    expect(fadt.length).toBe(244);
    expect(fadt.readUInt16LE(46)).toBe(9); // SCI
    expect(fadt.readUInt32LE(48)).toBe(0); // no SMI command: ACPI mode is on
    expect([56, 64, 76, 80].map((at) => fadt.readUInt32LE(at))).toEqual([0x600, 0x604, 0x608, 0x60c]);
    expect(fadt.readUInt32LE(112) & (1 << 10)).not.toBe(0);
    expect([Number(fadt.readBigUInt64LE(120)), fadt[128]]).toEqual([0xcf9, 6]);
    expect(fadt[116]).toBe(1); // reset register in I/O space
  });

  it('list every processor and the override of IRQ 0 in the MADT', () => {
    const madt = readTables(3).listed[1]?.bytes ?? Buffer.alloc(0);
    const entries: Buffer[] = [];
    for (let at = 44; at < madt.length; at += madt[at + 1] ?? 1) entries.push(madt.subarray(at, at + (madt[at + 1] ?? 1)));
    expect(entries.filter((e) => e[0] === 0).map((e) => [e[2], e[3], e.readUInt32LE(4)])).toEqual([
      [0, 0, 1],
      [1, 1, 1],
      [2, 2, 1],
    ]);
    const overrides = entries.filter((e) => e[0] === 2).map((e) => [e[3], e.readUInt32LE(4), e.readUInt16LE(8)]);
    expect(overrides).toContainEqual([0, 2, 0]);
    expect(overrides).toContainEqual([11, 11, 0x0d]);
  });

  it('grow with the number of processors and never overlap', () => {
    const { pieces, end } = placeAcpiTables(platform(254), 0xf0000);
    const sorted = [...pieces].sort((a, b) => a.gpa - b.gpa);
    sorted.forEach((piece, i) => {
      const next = sorted[i + 1];
      if (next) expect(piece.gpa + piece.bytes.length).toBeLessThanOrEqual(next.gpa);
    });
    expect(end).toBeLessThan(0x100000);
  });
});
