import { describe, expect, it } from 'vitest';
import { deviceBench, deviceContract } from '../testing/contract.ts';
import { vga } from './device.ts';
import { Dispi, DispiEnable } from './spec.ts';
import { adapter, adapterPlaces, videoIn } from './testing/adapter.ts';
import { graphicsMode, textMode } from './testing/modes.ts';

deviceContract(vga, {
  at: adapterPlaces,
  needs: (machine) => ({ video: videoIn(machine) }),
  disturb: (bench) => {
    bench.device.api.config.write(0x04, 2, 3);
    bench.write(2, 0xe3, 1, 'regs');
  },
});

describe('planes', () => {
  /** The four planes at one offset, plane 0 first. */
  const planes = (v: ReturnType<typeof adapter>, offset: number) => [...v.video.bytes.subarray(offset * 4, offset * 4 + 4)];
  const planar = () => {
    const v = adapter();
    graphicsMode(v, 0x12);
    return v;
  };

  it('write mode 0 writes the byte to the planes of the map mask', () => {
    const v = planar();
    v.set(0x3c4, [2, 0x05]);
    v.poke(0xa0010, 0xa5);
    expect(planes(v, 0x10)).toEqual([0xa5, 0, 0xa5, 0]);
  });

  it('write mode 0 rotates, then set/reset replaces planes, then the function and the bit mask act on latches', () => {
    const v = planar();
    v.video.words[0x20] = 0x0ff0_33cc;
    v.peek(0xa0020);
    v.set(0x3ce, [0, 0x04], [1, 0x0c], [3, 0x08 | 4], [8, 0xf0]); // and, rotate by 4; plane 2 set, plane 3 reset
    v.poke(0xa0020, 0x3f); // rotated: f3
    expect(planes(v, 0x20)).toEqual([
      (0xf3 & 0xcc & 0xf0) | (0xcc & 0x0f),
      (0xf3 & 0x33 & 0xf0) | (0x33 & 0x0f),
      0xf0,
      0x0f & 0x0f,
    ]);
  });

  it.each([
    [0x00, [0xff, 0x00, 0xff, 0x00], 'replaces'],
    [0x08, [0x0f, 0x00, 0x0f, 0x00], 'and'],
    [0x10, [0xff, 0x0f, 0xff, 0x0f], 'or'],
    [0x18, [0xf0, 0x0f, 0xf0, 0x0f], 'xor'],
  ])('write mode 2 writes a colour with function %i', (rotate, expected) => {
    const v = planar();
    v.video.words[1] = 0x0f0f_0f0f;
    v.peek(0xa0001);
    v.set(0x3ce, [3, rotate], [5, 2]);
    v.poke(0xa0001, 0x05);
    expect(planes(v, 1)).toEqual(expected);
  });

  it('write mode 1 copies the latches of the last read', () => {
    const v = planar();
    v.video.words[5] = 0x4433_2211;
    v.peek(0xa0005);
    v.set(0x3ce, [5, 1], [8, 0x00]);
    v.set(0x3c4, [2, 0x0e]);
    v.poke(0xa0006, 0xff);
    expect(planes(v, 6)).toEqual([0, 0x22, 0x33, 0x44]);
  });

  it('write mode 3 takes the byte as a mask for the set/reset colour', () => {
    const v = planar();
    v.video.words[7] = 0xffff_ffff;
    v.peek(0xa0007);
    v.set(0x3ce, [0, 0x09], [5, 3], [8, 0x3c]);
    v.poke(0xa0007, 0x0f);
    expect(planes(v, 7)).toEqual([0xff, 0xf3, 0xf3, 0xff]);
  });

  it('read mode 0 reads the plane of the read map, read mode 1 compares colours and ignores planes that do not count', () => {
    const v = planar();
    v.video.bytes.set([0b1100, 0b1010, 0b1111, 0b0000], 0);
    v.set(0x3ce, [4, 1]);
    expect(v.peek(0xa0000)).toBe(0b1010);
    v.set(0x3ce, [5, 0x08], [2, 0x07], [7, 0x0f]);
    expect(v.peek(0xa0000)).toBe(0b1000);
    v.set(0x3ce, [7, 0x04]);
    expect(v.peek(0xa0000)).toBe(0b1111);
  });

  it('odd/even and chain 4 choose planes by address', () => {
    const v = adapter();
    graphicsMode(v, 0x13);
    v.poke(0xa0000, 1, 2, 3, 4, 5);
    expect([planes(v, 0), planes(v, 1)]).toEqual([
      [1, 2, 3, 4],
      [5, 0, 0, 0],
    ]);
    v.set(0x3c4, [4, 0x06]); // unchained, as mode X
    v.set(0x3c4, [2, 0x02]);
    v.poke(0xa0000, 9);
    expect(planes(v, 0)).toEqual([1, 9, 3, 4]);
  });

  it('does not answer outside the selected window or without RAM enabled', () => {
    const v = planar();
    v.poke(0xb8000, 1);
    expect(v.peek(0xb8000)).toBe(0xff);
    v.out(0x3c2, 0xe1);
    expect(v.peek(0xa0000)).toBe(0xff);
  });
});

describe('window', () => {
  it('shows text cells as RAM and keeps them in the planes when it must not', () => {
    const v = adapter();
    textMode(v);
    expect(v.shown.window).toEqual({ gpa: 0xb8000, size: 0x8000, from: 'cells' });
    v.poke(0xb8000, 0x41, 0x1f, 0x42, 0x2e);
    expect([...v.video.cells.subarray(0, 2)]).toEqual([0x1f41, 0x2e42]);
    v.set(0x3c4, [4, 0x06]); // someone loads a font
    const folded = [...v.video.words.subarray(0, 2)].map((word) => word & 0xffff);
    expect([v.shown.window, ...folded]).toEqual([undefined, 0x1f41, 0x2e42]);
    v.video.words[1] = 0x0743;
    v.set(0x3c4, [4, 0x02]);
    expect([v.shown.window?.from, v.video.cells[0], v.peek(0xb8002)]).toEqual(['cells', 0x1f41, 0x43]);
  });

  it('shows chained memory as RAM while nothing acts on it, and the bank of the display interface', () => {
    const v = adapter();
    graphicsMode(v, 0x13);
    expect(v.shown.window).toEqual({ gpa: 0xa0000, size: 0x10000, from: 0 });
    v.set(0x3ce, [3, 0x18]);
    expect(v.shown.window).toBeUndefined();
    v.set(0x3ce, [3, 0x00]);
    v.dispi(Dispi.Width, 640);
    v.dispi(Dispi.Height, 400);
    v.dispi(Dispi.Depth, 8);
    v.dispi(Dispi.Enable, DispiEnable.On);
    v.dispi(Dispi.Bank, 3);
    expect(v.shown.window).toEqual({ gpa: 0xa0000, size: 0x10000, from: 0x30000 });
  });
});

describe('frame buffer', () => {
  const BASE = 0xe000_0000;
  const mapped = () => {
    const v = adapter();
    v.device.api.config.write(0x10, 4, BASE);
    v.device.api.config.write(0x04, 2, 2);
    return v;
  };

  it('is RAM where nothing acts on writes, and on the bus while planes do', () => {
    const v = mapped();
    textMode(v);
    expect([v.shown.linear, v.peek(BASE)]).toEqual([BASE, 0xff]);
    graphicsMode(v, 0x12);
    v.set(0x3c4, [2, 0x01]);
    v.poke(0xa0010, 0xa5);
    v.poke(BASE + 0x41, 0x3c);
    expect([v.shown.linear, v.peek(BASE + 0x40), v.video.bytes[0x41]]).toEqual([undefined, 0xa5, 0x3c]);
    graphicsMode(v, 0x13);
    expect([v.shown.linear, v.peek(BASE)]).toEqual([BASE, 0xff]);
  });

  it('shows planar writes that waited, and so does the screen', () => {
    const v = mapped();
    graphicsMode(v, 0x12);
    const { bus, lock } = v.machine;
    lock.release();
    const wait = (at: number, value: number) => bus.letWait({ vcpu: 0, space: 'mmio', at, size: 1, value });
    expect([wait(0xa0010, 0xa5), v.video.bytes[0x40]]).toEqual([true, 0]);
    expect(lock.run(() => v.peek(BASE + 0x40))).toBe(0xa5);
    wait(0xa0011, 0x5a);
    lock.acquire();
    expect(v.video.bytes[0x44]).toBe(0x5a);
  });

  it('stands nowhere above its end, where base addresses point while they are sized', () => {
    const v = mapped();
    graphicsMode(v, 0x12);
    v.device.api.config.write(0x10, 4, 0xffff_ffff);
    expect(v.device.placements.linear?.enabled).toBe(false);
  });
});

describe('display interface', () => {
  it('has its identity, sizes and limits', () => {
    const v = adapter();
    v.out(0x1ce, Dispi.Id, 2);
    expect(v.in(0x1cf, 2)).toBe(0xb0c5);
    v.dispi(Dispi.Id, 0xb0c0);
    expect(v.in(0x1cf, 2)).toBe(0xb0c0);
    v.dispi(Dispi.Enable, DispiEnable.Capabilities);
    const read = (index: number) => {
      v.out(0x1ce, index, 2);
      return v.in(0x1cf, 2);
    };
    expect([Dispi.Width, Dispi.Height, Dispi.Depth, Dispi.Memory64K].map(read)).toEqual([2560, 1600, 32, 4]);
  });

  it('clears the frame when it is turned on, unless the guest keeps it', () => {
    const v = adapter();
    v.video.bytes.fill(7);
    for (const [index, value] of [
      [Dispi.Width, 64],
      [Dispi.Height, 2],
      [Dispi.Depth, 32],
    ] as const)
      v.dispi(index, value);
    v.dispi(Dispi.Enable, DispiEnable.On | DispiEnable.KeepMemory);
    expect(v.video.bytes[0]).toBe(7);
    v.dispi(Dispi.Enable, 0);
    v.dispi(Dispi.Enable, DispiEnable.On);
    expect([v.video.bytes[0], v.video.bytes[511], v.video.bytes[512]]).toEqual([0, 0, 7]);
  });

  it('answers the same in the memory-mapped registers, as bytes and words', () => {
    const v = adapter();
    v.device.api.config.write(0x18, 4, 0xf000_0000);
    v.device.api.config.write(0x04, 2, 2);
    const mmio = (at: number, size: 1 | 2 | 4 = 2) => v.machine.bus.mmioRead(0, 0xf000_0000 + at, size);
    v.machine.bus.mmioWrite(0, 0xf000_0502, 2, 800);
    expect([mmio(0x500), mmio(0x502), mmio(0x600, 4), mmio(0x604, 4)]).toEqual([0xb0c5, 800, 8, 0x1e1e1e1e]);
    v.machine.bus.mmioWrite(0, 0xf000_0402, 1, 0x63);
    v.machine.bus.mmioWrite(0, 0xf000_0404, 2, 0x0f02);
    expect([mmio(0x40c, 1), mmio(0x404)]).toEqual([0x63, 0x0f02]);
    const edid = Array.from({ length: 128 }, (_, i) => mmio(i, 1));
    expect([edid[1], edid.reduce((sum, byte) => sum + byte, 0) & 0xff]).toEqual([0xff, 0]);
  });

  it('places the frame buffer by its base address', () => {
    const v = adapter();
    textMode(v);
    v.device.api.config.write(0x10, 4, 0xe123_4567);
    v.device.api.config.write(0x04, 2, 2);
    expect([v.device.api.config.read(0x10, 4), v.shown.linear]).toEqual([0xe100_0008, 0xe100_0000]);
    v.device.api.config.write(0x04, 2, 0);
    expect(v.shown.linear).toBeUndefined();
  });
});

describe('registers', () => {
  it('protects the horizontal timing, but not the line compare bit', () => {
    const v = adapter();
    textMode(v);
    v.set(0x3d4, [0, 0xaa], [7, 0x00]);
    v.out(0x3d4, 0);
    const total = v.in(0x3d5);
    v.out(0x3d4, 7);
    expect([total, v.in(0x3d5)]).toEqual([0x5f, 0x0f]);
  });

  it('moves the CRTC between B0h and D0h ports', () => {
    const v = adapter();
    v.out(0x3c2, 0x66);
    v.out(0x3b4, 0x0e);
    expect([v.in(0x3b4), v.in(0x3d4)]).toEqual([0x0e, 0xff]);
  });

  it('writes and reads colours in threes with indices of their own', () => {
    const v = adapter();
    v.out(0x3c8, 255);
    for (const part of [0x3f, 0x40, 0x12, 1, 2, 3]) v.out(0x3c9, part);
    v.out(0x3c7, 255);
    expect([v.in(0x3c7), ...Array.from({ length: 6 }, () => v.in(0x3c9)), v.in(0x3c8)]).toEqual([3, 0x3f, 0, 0x12, 1, 2, 3, 1]);
  });

  it('has a beam: retrace comes once a frame and lies in the blanking', () => {
    const v = adapter();
    textMode(v);
    let [retraces, before, seen] = [0, 8, 0];
    for (let us = 0; us < 100_000; us += 20) {
      v.advance(20_000);
      const now = v.in(0x3da);
      if ((now & 8) !== 0 && (before & 8) === 0) retraces++;
      if ((now & 8) !== 0) expect(now & 1).toBe(1);
      if ((now & 1) === 0) seen++;
      before = now;
    }
    expect(retraces).toBe(7); // 70 Hz
    expect(seen).toBeGreaterThan(2000);
  });
});

it('shows its expansion ROM, if it has one, where that base address says', () => {
  const bytes = Uint8Array.of(0x55, 0xaa, 1);
  const { device, read } = deviceBench(vga, { needs: () => ({ rom: { bytes } }) });
  const { config } = device.api;
  config.write(0x30, 4, 0xfebc0001);
  config.write(0x04, 2, 0x0002);
  expect([device.placements.rom?.enabled, read(0, 4, 'rom')]).toEqual([true, 0xff01aa55]);
});
