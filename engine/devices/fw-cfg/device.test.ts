import { describe, expect, it } from 'vitest';
import { deviceBench, deviceContract } from '../testing/contract.ts';
import { fwCfgItems } from './content.ts';
import { fwCfg } from './device.ts';
import { Dma, Key, Offset } from './spec.ts';

const items = () =>
  fwCfgItems({
    cpus: 4,
    ramBytes: 512 * 2 ** 20,
    files: { 'etc/b': Uint8Array.of(1, 2, 3), 'etc/a': new Uint8Array(3000).fill(7) },
  });
const make = () => {
  const bench = deviceBench(fwCfg, { needs: () => ({ content: items() }) });
  const bytes = (key: number, count: number) => {
    bench.write(Offset.Selector, key, 2);
    return Uint8Array.from({ length: count }, () => bench.read(Offset.Data));
  };
  /** Run a descriptor that lies at 4096; gives what became of its control word. */
  const transfer = (control: number, length: number, address: number) => {
    const descriptor = Buffer.alloc(16);
    descriptor.writeUInt32BE(control >>> 0, 0);
    descriptor.writeUInt32BE(length, 4);
    descriptor.writeBigUInt64BE(BigInt(address), 8);
    bench.machine.dma.write(0x1000, descriptor);
    bench.write(Offset.DmaHigh, 0, 4);
    bench.write(Offset.DmaLow, Buffer.from([0, 0, 0x10, 0]).readUInt32LE(0), 4);
    return Buffer.from(bench.machine.dma.read(0x1000, 4)).readUInt32BE(0);
  };
  return { ...bench, bytes, transfer };
};
const number = (bytes: Uint8Array) => Number(Buffer.concat([bytes, Buffer.alloc(8)]).readBigUInt64LE(0));

deviceContract(fwCfg, {
  needs: () => ({ content: items() }),
  disturb: (bench) => bench.write(Offset.Selector, Key.FileDirectory, 2),
});

describe('items', () => {
  it('give the facts that kvm-unit-tests ask for', () => {
    const d = make();
    expect(Buffer.from(d.bytes(Key.Signature, 4)).toString()).toBe('QEMU');
    expect([number(d.bytes(Key.Cpus, 2)), number(d.bytes(Key.RamSize, 8)), number(d.bytes(Key.Id, 4))]).toEqual([
      4,
      512 * 2 ** 20,
      3,
    ]);
  });

  it('end in zeroes, and one that is not there is all zeroes', () => {
    const d = make();
    expect([...d.bytes(Key.Signature, 6)].slice(4)).toEqual([0, 0]);
    expect([...d.bytes(0x11, 8)]).toEqual(Array(8).fill(0));
  });

  it('list the files with their sizes', () => {
    const directory = Buffer.from(make().bytes(Key.FileDirectory, 4 + 128));
    expect(directory.readUInt32BE(0)).toBe(2);
    expect([directory.readUInt32BE(4), directory.readUInt16BE(8), directory.toString('latin1', 12, 17)]).toEqual([
      3000,
      0x20,
      'etc/a',
    ]);
    expect([directory.readUInt32BE(68), directory.readUInt16BE(72), directory.toString('latin1', 76, 81)]).toEqual([
      3,
      0x21,
      'etc/b',
    ]);
  });
});

describe('DMA', () => {
  it('selects, skips and reads', () => {
    const d = make();
    expect(d.transfer((0x21 << 16) | Dma.Select | Dma.Read, 2, 0x2000)).toBe(0);
    expect(d.transfer(Dma.Read, 3, 0x2002)).toBe(0);
    expect([...d.machine.dma.read(0x2000, 5)]).toEqual([1, 2, 3, 0, 0]);
    d.transfer((0x20 << 16) | Dma.Select | Dma.Skip, 2998, 0);
    d.transfer(Dma.Read, 4, 0x3000);
    expect([...d.machine.dma.read(0x3000, 4)]).toEqual([7, 7, 0, 0]);
  });

  it('refuses to write, and says that it is there', () => {
    const d = make();
    expect(d.transfer((0x21 << 16) | Dma.Select | Dma.Write, 2, 0x2000)).toBe(Dma.Error);
    expect(Buffer.from(Uint32Array.of(d.read(4, 4), d.read(8, 4)).buffer).toString()).toBe('QEMU CFG');
  });

  it('bounds the work of an absurd length and bears addresses outside memory', () => {
    const d = make();
    expect(d.transfer((0x21 << 16) | Dma.Select | Dma.Read, 0xffffffff, 0x80000)).toBe(0);
    expect(d.transfer((0x21 << 16) | Dma.Select | Dma.Read, 16, 2 ** 52)).toBe(0);
  });
});
