import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EngineError } from '../base/index.ts';
import { ROM_OFFSET, romTable } from '../firmware/bios/rom.ts';
import { Irqchip } from '../hypervisor/index.ts';
import { createMachineMemory, type MachineMemory, PHYS } from '../memory/index.ts';
import { type Board, createBoard } from './board.ts';

const MIB = 2 ** 20;
const RAM = 16 * MIB;
const BIOS = new URL('../../assets/firmware/bios.bin', import.meta.url);
const SMP = new URL('../../assets/guests/smp.bin', import.meta.url);

/** A board without processors: the test is the processor's bus side. `of` is another thread's memory, to be built a second time. */
function machine(options: { cpus?: number; ramBytes?: number; testDevices?: boolean; vga?: 'std'; of?: MachineMemory } = {}) {
  const { cpus = 2, ramBytes = RAM } = options;
  const time = { ns: 1e9 };
  const memory = createMachineMemory({
    ramBytes,
    vcpus: cpus,
    arenaBytes: (options.vga ? 32 : 16) * MIB,
    hostNow: () => time.ns,
    ...(options.of && { memory: options.of.memory }),
  });
  if (!options.of) {
    memory.clock.start();
    memory.lock.acquire();
  }
  const irqchip = new Irqchip(memory, { signal: () => undefined, guestTsc: () => 0n, tscHz: 1e9, physicalBits: 40 });
  const happened: string[] = [];
  const sent: number[] = [];
  const board = createBoard({
    memory,
    irqchip,
    config: { cpus, testDevices: options.testDevices ?? false, vga: options.vga ?? 'none' },
    ports: {
      serial: [{ send: (byte) => sent.push(byte), onByte: () => undefined, ready: () => undefined }],
      signals: {
        powerOff: () => happened.push('off'),
        reset: () => happened.push('reset'),
        debugExit: (value) => happened.push(`exit ${value}`),
      },
      calendar: { microseconds: () => Date.UTC(2026, 10, 21) * 1000 },
    },
  });
  const start = () => {
    irqchip.reset();
    board.reset();
    return board.boot({ kernel: { name: 'smp.bin', bytes: readFileSync(SMP) }, commandLine: 'x' });
  };
  const outb = (port: number, value: number, size: 1 | 2 | 4 = 1) => memory.bus.portWrite(0, port, size, value);
  const inb = (port: number, size: 1 | 2 | 4 = 1) => memory.bus.portRead(0, port, size);
  const config = (slot: number, fn: number, at: number) => {
    outb(0xcf8, 0x80000000 + slot * 0x800 + fn * 0x100 + (at & 0xfc), 4);
    return inb(0xcfc, 4);
  };
  const setConfig = (slot: number, fn: number, at: number, value: number) => {
    outb(0xcf8, 0x80000000 + slot * 0x800 + fn * 0x100 + (at & 0xfc), 4);
    outb(0xcfc, value, 4);
  };
  const entry = (pa: number) => memory.u32[(memory.map.physTable >>> 2) + pa / 4096] ?? 0;
  return { memory, irqchip, board, happened, sent, start, outb, inb, config, setConfig, entry, time };
}

describe('hardware after a direct boot', () => {
  it('answers PCI probing as an i440FX PC', () => {
    const m = machine();
    m.start();
    expect([m.config(0, 0, 0), m.config(1, 0, 0), m.config(1, 3, 0), m.config(2, 0, 0)]).toEqual([
      0x12378086, 0x70008086, 0x71138086, 0xffffffff,
    ]);
    expect([m.config(1, 0, 0x60), m.config(1, 3, 0x3c) & 0xff]).toEqual([0x0b0b0a0a, 9]);
  });

  it('has the PM block in ACPI mode where the FADT says', () => {
    const m = machine();
    m.start();
    expect(m.inb(0x604, 2)).toBe(1);
    const before = m.inb(0x608, 4);
    m.time.ns += 1e9;
    expect((m.inb(0x608, 4) - before + 2 ** 24) % 2 ** 24).toBe(3_579_545);
  });

  it('brings FERR# to IRQ13 until port F0h is written', () => {
    const m = machine();
    m.start();
    const requested = () => {
      m.outb(0xa0, 0x0a);
      return m.inb(0xa0) & 0x20;
    };
    expect(requested()).toBe(0);
    m.irqchip.ferr();
    expect(requested()).toBe(0x20);
    m.outb(0xf0, 0);
    m.outb(0xa1, 0x00);
    m.irqchip.ferr();
    m.outb(0x21, 0xfb);
    expect(m.irqchip.acknowledge(0)).toBe(0x75);
  });

  it('has RAM below 640 KiB, in the shadowed segments and from 1 MiB, and nothing at the screen', () => {
    const m = machine();
    m.start();
    for (const pa of [0, 0x9f000, 0xc1000, 0xff000, 0x100000, RAM - 4096])
      expect(m.entry(pa) & 0x3f, pa.toString(16)).toBe(PHYS.RAM);
    for (const pa of [0xa0000, 0xbf000, RAM, 0xfee00000]) expect(m.entry(pa), pa.toString(16)).toBe(0);
  });

  it('leaves timer and keyboard unmasked, runs the timer and tells CMOS the memory', () => {
    const m = machine();
    m.start();
    expect([m.inb(0x21), m.inb(0xa1), m.inb(0x4d1)]).toEqual([0xf8, 0xff, 0x0e]);
    m.outb(0x70, 0x31);
    const high = m.inb(0x71);
    m.outb(0x70, 0x30);
    expect(high * 256 + m.inb(0x71)).toBe(15 * 1024);
    m.outb(0x43, 0xe2); // read back the status of channel 0
    expect(m.inb(0x40) & 0x3f).toBe(0x34);
  });

  it('loads the kernel and gives the first state', () => {
    const m = machine();
    const { registers } = m.start();
    expect(registers).toMatchObject({ mode: 'protected', rax: 0x2badb002 });
    expect(m.memory.dma.read32(0x100000)).toBe(0x1badb002);
    expect(m.board.processorMsrs.map(([index]) => index)).toContain(0x2ff);
  });

  it('places base addresses of PCI devices where they answer', () => {
    const m = machine({ testDevices: true });
    m.start();
    const memoryBar = (m.config(4, 0, 0x10) & ~15) >>> 0;
    const ioBar = m.config(4, 0, 0x14) & ~3;
    m.memory.bus.mmioWrite(0, memoryBar, 1, 1);
    expect([m.memory.bus.mmioRead(0, memoryBar + 1, 1), ioBar]).toEqual([1, 0xc100]);
    m.outb(ioBar, 2);
    expect(m.inb(ioBar + 16)).toBe('p'.charCodeAt(0));
    m.setConfig(4, 0, 0x10, 0xf0000000);
    expect(m.memory.bus.mmioRead(0, 0xf0000010, 1)).toBe('p'.charCodeAt(0));
    expect(m.memory.bus.mmioRead(0, memoryBar, 1)).toBe(0xff);
  });
});

describe('wiring', () => {
  it('gives the events that end a machine', () => {
    const m = machine({ testDevices: true });
    m.start();
    m.outb(0x604, 0x2001, 2);
    m.outb(0xcf9, 0x06);
    m.outb(0x64, 0xfe);
    m.outb(0xf4, 3, 4);
    expect(m.happened).toEqual(['off', 'reset', 'reset', 'exit 3']);
  });

  it('has test devices only where asked for', () => {
    const m = machine();
    m.start();
    m.outb(0xf4, 3, 4);
    expect([m.happened, m.config(4, 0, 0), m.inb(0xe0)]).toEqual([[], 0xffffffff, 0xff]);
  });

  it('sends what the guest writes to COM1 and raises IRQ 4', () => {
    const m = machine();
    m.start();
    m.outb(0x21, 0xef);
    m.outb(0x3fc, 0x08);
    m.outb(0x3f9, 0x02);
    expect([m.irqchip.pic.output, m.irqchip.pic.acknowledge()]).toEqual([true, 0x0c]);
    m.outb(0x3f8, 0x41);
    expect(m.sent).toEqual([0x41]);
    expect(m.inb(0x2f8)).toBe(0xff); // one port only
  });

  it('brings a press of the power button to the SCI', () => {
    const m = machine();
    m.start();
    m.outb(0x602, 0x100, 2);
    m.outb(0x21, 0xfb); // the cascade only
    m.outb(0xa1, 0xfd);
    m.board.pressPowerButton();
    expect(m.irqchip.pic.acknowledge()).toBe(0x71);
  });

  it('closes and opens A20', () => {
    const m = machine();
    m.start();
    m.outb(0x92, 0);
    m.outb(0x64, 0xdd);
    expect(m.entry(0x100000)).toBe(m.entry(0));
    m.outb(0x92, 2);
    expect(m.entry(0x100000)).not.toBe(m.entry(0));
  });

  it('shadows as the host bridge says: read-only, write-only, gone', () => {
    const m = machine();
    m.start();
    const flags = () => m.entry(0xf0000) & 0x3f;
    const ram = m.memory.map.ramBase + 0xf0000;
    const bytes = m.config(0, 0, 0x58);
    const pam = (value: number) => m.setConfig(0, 0, 0x58, (bytes & 0xffff00ff) | (value << 8));
    pam(0x10);
    expect(flags()).toBe(PHYS.ROM);
    pam(0x20);
    m.memory.u8[ram] = 1;
    m.memory.bus.mmioWrite(0, 0xf0000, 1, 0x5a);
    expect([flags(), m.memory.u8[ram], m.memory.bus.mmioRead(0, 0xf0000, 1)]).toEqual([0, 0x5a, 0xff]);
    pam(0x00);
    m.memory.bus.mmioWrite(0, 0xf0000, 1, 0xa5);
    expect(m.memory.u8[ram]).toBe(0x5a);
    pam(0x30);
    expect(flags()).toBe(PHYS.RAM);
  });
});

describe('display', () => {
  it('stands in its text mode after a direct boot, its cells RAM to the guest', () => {
    const m = machine({ vga: 'std' });
    m.start();
    expect(m.entry(0xb8000) & 0x1f).toBe(PHYS.RAM);
    m.memory.dma.write(0xb8000 + 160, Uint8Array.of(0x48, 0x07, 0x69, 0x07));
    const screen = m.board.createScreen();
    m.memory.lock.release();
    expect(
      screen
        ?.text()
        ?.lines.slice(0, 2)
        .map((line) => line.trimEnd()),
    ).toEqual(['', 'Hi']);
    expect(screen?.update().picture).toMatchObject({ width: 720, height: 400 });
  });

  it('has blank cells and the font of the BIOS then', () => {
    const m = machine({ vga: 'std' });
    m.irqchip.reset();
    m.board.reset();
    const bios = readFileSync(BIOS);
    m.memory.dma.load(0xb8000, new Uint8Array(0x8000).fill(0x55));
    m.board.boot({ kernel: { name: 'smp.bin', bytes: readFileSync(SMP) } }, bios);
    const cells = m.memory.dma.read(0xb8000, 0x8000);
    expect(cells.every((byte, i) => byte === (i % 2 === 0 ? 0x20 : 0x07))).toBe(true);
    // Plane 2 alone, in order, read as it is.
    for (const [port, index, value] of [
      [0x3c4, 4, 6],
      [0x3ce, 4, 2],
      [0x3ce, 5, 0],
      [0x3ce, 6, 4],
    ] as const)
      m.outb(port, index | (value << 8), 2);
    const table = romTable(bios) as { font16: number };
    const font = bios.subarray(table.font16 - ROM_OFFSET, table.font16 - ROM_OFFSET + 4096);
    const shown = font.map((_, i) => m.memory.bus.mmioRead(0, 0xa0000 + Math.floor(i / 16) * 32 + (i % 16), 1));
    expect(Buffer.from(shown).equals(Buffer.from(font))).toBe(true);
    expect(new Set(font).size).toBeGreaterThan(50);
  });

  it('has its frame buffer as RAM where the base address says, and what is written there is seen', () => {
    const m = machine({ vga: 'std' });
    m.start();
    const base = m.config(2, 0, 0x10) & ~15;
    expect([m.config(2, 0, 0) >>> 0, base >>> 0, m.entry(base >>> 0) & 0x1f]).toEqual([0x11111234, 0xe000_0000, PHYS.RAM]);
    for (const [index, value] of [
      [1, 640],
      [2, 480],
      [3, 32],
      [4, 0x41],
    ] as const) {
      m.outb(0x1ce, index, 2);
      m.outb(0x1cf, value, 2);
    }
    const screen = m.board.createScreen();
    const update = () => {
      m.memory.lock.release();
      const { changed } = screen?.update() ?? {};
      m.memory.lock.acquire();
      return changed;
    };
    expect(update()).toEqual([{ x: 0, y: 0, width: 640, height: 480 }]);
    m.memory.dma.write((base >>> 0) + (640 * 10 + 7) * 4, Uint8Array.of(0, 0, 0xff, 0));
    expect(update()).toEqual([{ x: 7, y: 10, width: 1, height: 1 }]);
    expect(update()).toEqual([]);
  });

  it.each([0, 0x0010_0000, 0xff00_0000, 0xfe00_0000, 0xffff_ffff])('bears a frame buffer placed at %i', (base) => {
    const m = machine({ vga: 'std' });
    m.start();
    m.setConfig(2, 0, 0x10, base);
    expect(m.entry(0x10_0000) & 0x1f).toBe(PHYS.RAM);
    expect(m.entry(0xfee0_0000)).toBe(0);
    m.setConfig(2, 0, 0x10, 0xe200_0000);
    expect([m.entry(0xe200_0000) & 0x1f, m.entry(0xe000_0000)]).toEqual([PHYS.RAM, 0]);
  });
});

describe('state', () => {
  const disturb = (m: ReturnType<typeof machine>) => {
    m.start();
    m.outb(0x3ff, 0x77);
    m.outb(0x70, 0x40);
    m.outb(0x71, 0x12);
    m.setConfig(1, 0, 0x60, 0x0b0b0b0b);
    m.setConfig(0, 0, 0x58, (m.config(0, 0, 0x58) & 0xffff00ff) | 0x1000);
  };

  it('is restored into another machine, memory map included', () => {
    const m = machine();
    disturb(m);
    const other = machine();
    other.irqchip.reset();
    other.board.reset();
    other.board.restore(m.board.save());
    expect(other.board.save()).toEqual(m.board.save());
    expect([other.inb(0x3ff), other.entry(0xf0000) & 0x3f]).toEqual([0x77, PHYS.ROM]);
    expect(other.memory.slots.all()).toEqual(m.memory.slots.all());
  });

  it('has done the writes that were waiting when it is saved', () => {
    const m = machine();
    m.start();
    const at = 0x8000_1234;
    expect(m.memory.bus.letWait({ vcpu: 0, space: 'port', at: 0xcf8, size: 4, value: at })).toBe(true);
    const other = machine();
    other.start();
    other.board.restore(m.board.save());
    expect([m.inb(0xcf8, 4), other.inb(0xcf8, 4)]).toEqual([at, at]);
  });

  it('brings firmware and its variables along', () => {
    const m = machine();
    const firmware = Uint8Array.from({ length: 0x20000 }, (_, i) => i * 7);
    m.board.loadFirmware('firmware', firmware, { name: 'variables', read: () => new Uint8Array(0x2000).fill(0x5a) });
    m.irqchip.reset();
    m.board.reset();
    const other = machine();
    other.irqchip.reset();
    other.board.reset();
    other.board.restore(m.board.save());
    expect(other.board.save()).toEqual(m.board.save());
    expect(other.memory.slots.all()).toEqual(m.memory.slots.all());
    expect([...other.memory.dma.read(2 ** 32 - 0x20000 - 2, 4)]).toEqual([0x5a, 0x5a, 0, 7]);
    expect(() => other.board.restore({ ...m.board.save(), rom: [[1, new Uint8Array(9 << 20)]] })).toThrow(EngineError);
  });

  it('is power-on again after a reset', () => {
    const m = machine({ testDevices: true });
    m.irqchip.reset();
    m.board.reset();
    const before = m.board.save();
    disturb(m);
    m.irqchip.reset();
    m.board.reset();
    expect(m.board.save()).toEqual(before);
    expect(m.entry(0xf0000)).toBe(0);
  });

  it('refuses what is damaged or belongs to another board, and changes nothing', () => {
    const m = machine();
    disturb(m);
    const saved = m.board.save();
    const attempts: Parameters<Board['restore']>[0][] = [
      { ...saved, 'no-such-device': [] },
      { ...saved, rtc: [[1, 999]] },
      { ...saved, 'pc-testdev': [] },
    ];
    for (const attempt of attempts) expect(() => m.board.restore(attempt)).toThrow(EngineError);
    expect(m.board.save()).toEqual(saved);
  });

  it('is the same for a second thread that builds the same board', () => {
    const m = machine();
    disturb(m);
    const other = machine({ of: m.memory });
    expect(other.board.save()).toEqual(m.board.save());
    expect(other.inb(0x3ff)).toBe(0x77);
    other.outb(0x3ff, 0x33);
    expect(m.inb(0x3ff)).toBe(0x33);
    m.setConfig(1, 3, 0x40, 0x4001); // the PM block moves for both
    expect(other.inb(0x4004, 2)).toBe(1);
  });

  it('is described for the inspector', () => {
    const m = machine();
    m.start();
    const names = m.board.inspect().map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['i440fx', 'piix3', 'piix4-pm', 'rtc', 'i8042', 'com1', 'fw-cfg']));
  });
});

it('bears any port access a guest can make', () => {
  const m = machine({ testDevices: true, ramBytes: MIB * 2 });
  m.start();
  let seed = 0x1234567;
  const next = (below: number) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  for (let i = 0; i < 30_000; i++) {
    const port = next(4) === 0 ? next(0x10000) : next(0x700) + (next(8) === 0 ? 0x8f8 : 0);
    const size = ([1, 2, 4] as const)[next(3)] ?? 1;
    if (next(2) === 0) m.outb(port, next(2 ** 32), size);
    else expect(m.inb(port, size)).toBeGreaterThanOrEqual(0);
    if (next(50) === 0) {
      m.time.ns += next(1e8);
      m.memory.deadlines.serve(m.memory.clock.now());
    }
  }
  const saved = m.board.save();
  m.board.restore(saved);
  expect(m.board.save()).toEqual(saved);
});

it('names the memory that a kernel needs when the smallest machine has too little', () => {
  const m = machine({ ramBytes: MIB, cpus: 1 });
  m.irqchip.reset();
  m.board.reset();
  expect(() => m.board.boot({ kernel: { name: 'smp.bin', bytes: readFileSync(SMP) } })).toThrow(
    'give the machine at least 2 MiB',
  );
});
