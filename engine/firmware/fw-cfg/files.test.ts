import { expect, it } from 'vitest';
import { i440fxPlatform } from '../platform.ts';
import { firmwareFiles, placesInOrder } from './files.ts';

const platform = i440fxPlatform({ cpus: 2, ramBytes: 64 << 20 });
const files = firmwareFiles({ platform, bootPlaces: [], menuMilliseconds: 0 });
const file = (name: string) => Buffer.from(files[name] ?? []);

/** What firmware does with the script: places files, adds their addresses to pointers, sums up. */
function placed(addresses: Readonly<Record<string, number>>) {
  const script = file('etc/table-loader');
  const memory = new Map(Object.keys(addresses).map((name) => [name, Buffer.from(file(name))]));
  const text = (at: number) => script.toString('latin1', at, at + 56).replace(/\0.*$/s, '');
  for (let at = 0; at < script.length; at += 128) {
    const to = memory.get(text(at + 4));
    if (!to) throw new Error(`record ${at / 128} names ${text(at + 4)}`);
    const command = script.readUInt32LE(at);
    if (command === 2) {
      const base = addresses[text(at + 60)] ?? Number.NaN;
      const where = script.readUInt32LE(at + 116);
      if (script[at + 120] === 4) to.writeUInt32LE(to.readUInt32LE(where) + base, where);
      else to.writeBigUInt64LE(to.readBigUInt64LE(where) + BigInt(base), where);
    } else if (command === 3) {
      const [where, start, length] = [60, 64, 68].map((o) => script.readUInt32LE(at + o)) as [number, number, number];
      to[where] = (to[where] ?? 0) - to.subarray(start, start + length).reduce((sum, byte) => (sum + byte) & 0xff, 0);
    }
  }
  return memory;
}

it('gives ACPI tables that are whole wherever firmware places them', () => {
  const base = 0x3fe0000;
  const memory = placed({ 'etc/acpi/rsdp': 0xf0000, 'etc/acpi/tables': base });
  const rsdp = memory.get('etc/acpi/rsdp') as Buffer;
  const tables = memory.get('etc/acpi/tables') as Buffer;
  const sum = (bytes: Buffer) => bytes.reduce((all, byte) => (all + byte) & 0xff, 0);
  expect([sum(rsdp.subarray(0, 20)), sum(rsdp)]).toEqual([0, 0]);
  const table = (gpa: number) => tables.subarray(gpa - base, gpa - base + tables.readUInt32LE(gpa - base + 4));
  const rsdt = table(rsdp.readUInt32LE(16));
  const xsdt = table(Number(rsdp.readBigUInt64LE(24)));
  const listed = Array.from({ length: (rsdt.length - 36) / 4 }, (_, i) => table(rsdt.readUInt32LE(36 + 4 * i)));
  const facp = listed.find((one) => one.toString('latin1', 0, 4) === 'FACP') as Buffer;
  const dsdt = table(facp.readUInt32LE(40));
  expect(dsdt.toString('latin1', 0, 4)).toBe('DSDT');
  expect(Number(facp.readBigUInt64LE(140))).toBe(facp.readUInt32LE(40));
  for (const one of [rsdt, xsdt, dsdt, ...listed]) expect(sum(one), one.toString('latin1', 0, 4)).toBe(0);
});

it('says where RAM is, and what to boot first', () => {
  const map = file('etc/e820');
  expect([map.length, map.readBigUInt64LE(8), map.readUInt32LE(16)]).toEqual([20, BigInt(64 << 20), 1]);
  const ide = { bus: 'ide', channel: 1, unit: 0, commandPort: 0x170, controlPort: 0x376, irq: 15, devfn: 9 } as const;
  const drives = [{ kind: 'cdrom', place: ide } as const, { kind: 'floppy', place: { bus: 'floppy', unit: 0 } } as const];
  const bootPlaces = placesInOrder(drives, ['floppy', 'cdrom']);
  const { bootorder } = firmwareFiles({ platform, bootPlaces, menuMilliseconds: 0 });
  expect(Buffer.from(bootorder ?? []).toString('latin1')).toBe(
    '/pci@i0cf8/isa@1/fdc@03f0/floppy@0\n/pci@i0cf8/ide@1,1/drive@1/disk@0\0',
  );
});
