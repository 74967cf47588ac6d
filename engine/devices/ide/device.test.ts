import { describe, expect, it } from 'vitest';
import { deviceContract } from '../testing/contract.ts';
import { type BenchDrive, driveBench, recordedLine } from '../testing/drive-bench.ts';
import { patternDrive } from '../testing/drives.ts';
import { ide } from './device.ts';

deviceContract(ide, {
  needs: () => ({
    drives: [
      patternDrive('disk', 2 ** 24),
      undefined,
      patternDrive('cdrom', 2 ** 22, { readonly: true }),
      patternDrive('disk', 2 ** 20),
    ],
  }),
  disturb: (bench) => {
    bench.write(2, 4, 1, 'primary');
    bench.write(7, 0x20, 1, 'primary');
  },
});

const [CMD, CTL, BM] = [0x1f0, 0x3f6, 0xc000];
const CD = 0x170;

/** A pattern in which every sector differs. */
function pattern(sectors: number): Uint8Array {
  return Uint8Array.from({ length: sectors * 512 }, (_, i) => (i * 7 + (i >>> 9) * 13) & 0xff);
}

function machine(drives: readonly (BenchDrive | undefined)[] = [{ kind: 'disk', content: pattern(2048) }]) {
  const bench = driveBench(drives);
  const device = ide.attach(bench.memory, {
    name: 'ide',
    at: { primary: CMD, primaryControl: CTL, secondary: CD, secondaryControl: 0x376 },
    irqs: { primary: recordedLine(bench, 'primary'), secondary: recordedLine(bench, 'secondary') },
    needs: { drives: bench.bay.drives.slice(0, 4).map((drive) => drive?.line()) },
  });
  device.reset();
  device.api.config.write(0x20, 4, BM);
  device.api.config.write(0x04, 2, 5);
  const { in: input, out } = bench;
  /** Address and count into the registers of a drive, 28 bits; then the command. */
  const command = (code: number, { lba = 0, count = 1, base = CMD, unit = 0, features = 0 } = {}) => {
    out(base + 6, 0xe0 | (unit << 4) | (lba >>> 24));
    out(base + 1, features);
    out(base + 2, count & 0xff);
    out(base + 3, lba & 0xff);
    out(base + 4, (lba >>> 8) & 0xff);
    out(base + 5, (lba >>> 16) & 0xff);
    out(base + 7, code);
  };
  const status = (base = CMD) => input(base + 7);
  /** Read `bytes` through the data register. */
  const drain = (bytes: number, base = CMD) => {
    const got = new Uint8Array(bytes);
    for (let at = 0; at < bytes; at += 2) {
      const word = input(base, 2);
      got[at] = word & 0xff;
      got[at + 1] = word >>> 8;
    }
    return got;
  };
  const feed = (bytes: Uint8Array, base = CMD) => {
    for (let at = 0; at < bytes.length; at += 4) out(base, new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true), 4);
  };
  /** A table of regions at 64 KiB, and the bus master told of it. */
  const regions = (list: readonly (readonly [gpa: number, bytes: number])[], bm = BM) => {
    const table = new DataView(new ArrayBuffer(list.length * 8));
    list.forEach(([gpa, bytes], i) => {
      table.setUint32(i * 8, gpa, true);
      table.setUint16(i * 8 + 4, bytes & 0xffff, true);
      table.setUint16(i * 8 + 6, i === list.length - 1 ? 0x8000 : 0, true);
    });
    bench.memory.dma.write(0x10000, new Uint8Array(table.buffer));
    out(bm + 4, 0x10000, 4);
    out(bm + 2, 0x06);
  };
  return { bench, device, input, out, command, status, drain, feed, regions };
}

describe('a disk', () => {
  it('says who it is', () => {
    const { bench, command, drain, status } = machine();
    command(0xec);
    expect(bench.lines.primary).toBe(true);
    expect(status()).toBe(0x58);
    expect(bench.lines.primary).toBe(false);
    const words = new DataView(drain(512).buffer);
    const text = (at: number, length: number) =>
      Array.from({ length }, (_, i) => String.fromCharCode(words.getUint8(2 * at + (i ^ 1))))
        .join('')
        .trim();
    expect([text(10, 20), text(27, 40)]).toEqual(['SN0', 'Rootmode Disk']);
    expect([words.getUint32(120, true), words.getUint32(200, true)]).toEqual([2048, 2048]);
    let sum = 0;
    for (let i = 0; i < 512; i++) sum += words.getUint8(i);
    expect(sum & 0xff).toBe(0);
    expect(status()).toBe(0x50);
  });

  it.each([
    [0x20, 1, 'READ SECTORS'],
    [0x20, 40, 'READ SECTORS beyond the buffer'],
    [0xc4, 40, 'READ MULTIPLE'],
  ])('reads by PIO: %s, %i sectors (%s)', (code, count) => {
    const { bench, command, drain, status } = machine();
    command(0xc6, { count: 8 });
    const before = bench.edges.primary ?? 0;
    command(code, { lba: 5, count });
    expect(status()).toBe(0x90);
    const got: number[] = [];
    for (let left = count * 512; left > 0; ) {
      bench.serve();
      expect(status()).toBe(0x58);
      const block = Math.min(left, code === 0xc4 ? 8 * 512 : 512);
      got.push(...drain(block));
      left -= block;
    }
    expect(Uint8Array.from(got)).toEqual(pattern(2048).subarray(5 * 512, (5 + count) * 512));
    expect(status()).toBe(0x50);
    expect((bench.edges.primary ?? 0) - before).toBe(code === 0xc4 ? count / 8 : count);
  });

  it('writes by PIO, tells the end by an interrupt, and reads it back by DMA', () => {
    const { bench, command, feed, status, regions, out, input } = machine();
    const data = pattern(20).reverse();
    command(0x30, { lba: 100, count: 20 });
    expect([status(), bench.edges.primary]).toEqual([0x58, 0]);
    for (let at = 0; at < data.length; at += 512) {
      feed(data.subarray(at, at + 512));
      bench.serve();
      status();
    }
    expect([status(), bench.edges.primary]).toEqual([0x50, 20]);
    expect(bench.storages[0]?.content().subarray(100 * 512, 120 * 512)).toEqual(data);
    regions([
      [0x20000, 512],
      [0x30000, 19 * 512],
    ]);
    command(0xc8, { lba: 100, count: 20 });
    expect(input(CTL)).toBe(0x58);
    out(BM, 0x09);
    expect(input(BM + 2)).toBe(0x01);
    bench.serve();
    expect([input(BM + 2), status()]).toEqual([0x04, 0x50]);
    expect(bench.memory.dma.read(0x20000, 512)).toEqual(data.slice(0, 512));
    expect(bench.memory.dma.read(0x30000, 19 * 512)).toEqual(data.slice(512));
  });

  it('moves 48-bit addresses by DMA and marks what it wrote in the dirty log', () => {
    const { bench, command, out, regions, input } = machine();
    bench.memory.slots.setSlot({ slot: 0, gpa: 0, size: 2 ** 20, hva: bench.memory.map.ramBase, log: true });
    regions([[0x40000, 0]]); // 0 is 64 KiB
    for (const value of [0, 128]) out(CMD + 2, value);
    for (const at of [3, 4, 5]) for (const value of [0, at === 3 ? 7 : 0]) out(CMD + at, value);
    out(CMD + 6, 0xe0);
    out(CMD + 7, 0x25);
    out(BM, 0x09);
    bench.serve();
    expect(input(BM + 2)).toBe(0x04);
    expect(bench.memory.dma.read(0x40000, 65536)).toEqual(pattern(2048).slice(7 * 512, 135 * 512));
    const dirty = bench.memory.dirtyLog.collect(0);
    expect([...dirty.subarray(8, 10)]).toEqual([0xff, 0xff]);
    command(0xec);
  });

  it('stalls when the table is shorter than the transfer, until a reset', () => {
    const { bench, command, out, regions, input, status } = machine();
    regions([[0x40000, 1024]]);
    command(0xc8, { count: 8 });
    out(BM, 0x09);
    bench.serve();
    expect([input(BM + 2) & 5, status() & 0x80]).toEqual([0, 0x80]);
    out(CTL, 4);
    out(CTL, 0);
    expect([status(), input(CMD + 1)]).toEqual([0x50, 1]);
  });

  it('refuses what lies beyond its end, and what it does not know', () => {
    const { command, status, input } = machine();
    command(0x20, { lba: 2047, count: 2 });
    expect([status(), input(CMD + 1)]).toEqual([0x51, 0x10]);
    for (const code of [0x00, 0xb0, 0xf1, 0xf6, 0x87]) {
      command(code);
      expect([status(), input(CMD + 1)], `command ${code}`).toEqual([0x51, 0x04]);
    }
  });

  it('tells of a sector the host cannot read, flushes, and writes through when told', () => {
    const { bench, command, feed, status, input } = machine();
    const [storage] = bench.storages;
    if (storage) storage.bad = 9 * 512;
    command(0x20, { lba: 9 });
    bench.serve();
    expect([status(), input(CMD + 1), bench.told]).toEqual([0x51, 0x40, ['failed 0']]);
    if (storage) storage.bad = undefined;
    command(0xe7);
    bench.serve();
    expect([status(), storage?.flushes]).toEqual([0x50, 1]);
    command(0xef, { features: 0x82 });
    bench.serve();
    command(0x30, { lba: 3 });
    feed(new Uint8Array(512));
    bench.serve();
    expect(storage?.flushes).toBe(3);
  });

  it('keeps a write waiting while the host has no room, and carries it out after', () => {
    const { bench, command, feed, status } = machine();
    const [storage] = bench.storages;
    if (storage) storage.limit = 0;
    command(0x30, { lba: 3 });
    feed(new Uint8Array(512).fill(9));
    bench.serve();
    expect([bench.told, status() & 0x80]).toEqual([['full 0'], 0x80]);
    if (storage) storage.limit = 2 ** 30;
    bench.server.retry();
    bench.serve();
    expect([status(), storage?.content()[3 * 512]]).toEqual([0x50, 9]);
  });

  it('submits again after a restore what was under way', () => {
    const { bench, command, device, regions, out, input } = machine();
    regions([[0x40000, 4096]]);
    command(0xc8, { lba: 8, count: 8 });
    out(BM, 0x09);
    const saved = device.save();
    device.reset();
    bench.serve();
    expect(bench.memory.dma.read(0x40000, 1)[0]).toBe(0);
    device.restore(saved);
    bench.serve();
    expect(input(BM + 2)).toBe(0x04);
    expect(bench.memory.dma.read(0x40000, 4096)).toEqual(pattern(2048).slice(8 * 512, 16 * 512));
  });

  it('forgets ranges by TRIM', () => {
    const { bench, command, regions, out, status } = machine();
    const list = new DataView(new ArrayBuffer(512));
    list.setUint32(0, 10, true);
    list.setUint16(6, 2, true);
    bench.memory.dma.write(0x50000, new Uint8Array(list.buffer));
    regions([[0x50000, 512]]);
    command(0x06, { features: 1 });
    out(BM, 0x01);
    bench.serve();
    const content = bench.storages[0]?.content() ?? new Uint8Array();
    expect([status(), content.subarray(10 * 512, 12 * 512).every((b) => b === 0), content[12 * 512]]).toEqual([
      0x50,
      true,
      pattern(13)[12 * 512],
    ]);
  });

  it('answers for an absent second drive, and not at all on an empty channel', () => {
    const { out, input, status } = machine();
    out(CMD + 6, 0xb0);
    expect([status(), input(CD + 7)]).toEqual([0, 0x7f]);
  });
});

describe('a CD drive', () => {
  const disc = pattern(64 * 4);
  function drive(content: Uint8Array | undefined = disc) {
    const all = machine([undefined, undefined, { kind: 'cdrom', ...(content && { content }) }]);
    const { out, input, bench, drain, status } = all;
    /** One packet by PIO: data in, and sense key with code when it failed. */
    const packet = (bytes: readonly number[], limit = 0xfffe) => {
      out(CD + 6, 0xa0);
      out(CD + 1, 0);
      out(CD + 4, limit & 0xff);
      out(CD + 5, limit >>> 8);
      out(CD + 7, 0xa0);
      const words = [...bytes, ...new Array<number>(12 - bytes.length).fill(0)];
      for (let i = 0; i < 12; i += 2) out(CD, (words[i] ?? 0) | ((words[i + 1] ?? 0) << 8), 2);
      const got: number[] = [];
      for (let guard = 0; guard < 100; guard++) {
        bench.serve();
        const now = status(CD);
        if (!(now & 8)) return now & 1 ? { failed: input(CD + 1) >>> 4 } : Uint8Array.from(got);
        got.push(...drain(input(CD + 4) | (input(CD + 5) << 8), CD));
      }
      throw new Error('a packet does not end');
    };
    const sense = () => {
      const data = packet([0x03, 0, 0, 0, 18]) as Uint8Array;
      return [data[2], data[12], data[13]];
    };
    return { ...all, packet, sense };
  }

  it('shows its signature and tells of the power-on once', () => {
    const { input, packet, sense, command, status } = drive();
    expect([input(CD + 4), input(CD + 5)]).toEqual([0x14, 0xeb]);
    expect(packet([0x00])).toEqual({ failed: 6 });
    expect(packet([0x00])).toEqual(new Uint8Array());
    command(0xec, { base: CD });
    expect([status(CD), input(CD + 4), input(CD + 5)]).toEqual([0x51, 0x14, 0xeb]);
    packet([0x00]);
    expect(sense()).toEqual([0, 0, 0]);
  });

  it.each([2048, 4096, 0xfffe, 512])('reads blocks in pieces of at most %i bytes', (limit) => {
    const { packet } = drive();
    packet([0x00]);
    expect(packet([0x28, 0, 0, 0, 0, 3, 0, 0, 9], limit)).toEqual(disc.subarray(3 * 2048, 12 * 2048));
    expect(packet([0xa8, 0, 0, 0, 0, 60, 0, 0, 0, 4], limit)).toEqual(disc.subarray(60 * 2048));
    expect(packet([0x28, 0, 0, 0, 0, 60, 0, 0, 5], limit)).toEqual({ failed: 5 });
  });

  it('reads by DMA', () => {
    const { packet, out, regions, bench, status, input } = drive();
    packet([0x00]);
    regions([[0x40000, 8192]], BM + 8);
    out(CD + 1, 1);
    out(CD + 7, 0xa0);
    // READ(10) of blocks 1 to 4
    for (const word of [0x0028, 0x0000, 0x0100, 0x0000, 0x0004, 0x0000]) out(CD, word, 2);
    out(BM + 8, 9);
    bench.serve();
    expect([input(BM + 8 + 2), status(CD)]).toEqual([0x04, 0x50]);
    expect(bench.memory.dma.read(0x40000, 8192)).toEqual(disc.slice(2048, 5 * 2048));
  });

  it('knows capacity, contents, and refuses what it does not know', () => {
    const { packet, sense } = drive();
    packet([0x00]);
    expect([...(packet([0x25]) as Uint8Array)]).toEqual([0, 0, 0, 63, 0, 0, 8, 0]);
    expect([...(packet([0x43, 0, 0, 0, 0, 0, 0, 0, 20]) as Uint8Array)]).toEqual([
      0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x16, 0xaa, 0, 0, 0, 0, 64,
    ]);
    expect(packet([0xff])).toEqual({ failed: 5 });
    expect(sense()).toEqual([5, 0x20, 0]);
    expect(String.fromCharCode(...(packet([0x12, 0, 0, 0, 36]) as Uint8Array).subarray(8, 16))).toBe('Rootmode');
  });

  it('ejects unless locked, and tells of a new disc', () => {
    const { packet, sense, bench } = drive();
    packet([0x00]);
    packet([0x1e, 0, 0, 0, 1]);
    expect([packet([0x1b, 0, 0, 0, 2]), sense()]).toEqual([{ failed: 5 }, [5, 0x53, 2]]);
    packet([0x1e]);
    packet([0x1b, 0, 0, 0, 2]);
    bench.serve();
    expect(bench.server.image(2)).toBe(undefined);
    expect([packet([0x00]), sense()]).toEqual([{ failed: 2 }, [2, 0x3a, 2]]);
    bench.insert(2, disc.slice(0, 8 * 2048));
    expect([...(packet([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]) as Uint8Array)]).toEqual([0, 6, 4, 0x10, 2, 2, 0, 0]);
    expect([packet([0x00]), sense(), packet([0x00])]).toEqual([{ failed: 6 }, [6, 0x28, 0], new Uint8Array()]);
    expect((packet([0x25]) as Uint8Array)[3]).toBe(7);
  });
});
