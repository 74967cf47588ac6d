/**
 * Every device of the board at once under accesses at random: none throws, each goes on after a restore of what it saved, and what is
 * saved then is what was. Seeds that once found something stay.
 */
import { globSync } from 'node:fs';
import { expect, it } from 'vitest';
import { randomSource } from '../devices/testing/random.ts';
import { Irqchip } from '../hypervisor/index.ts';
import { type AccessSize, createMachineMemory } from '../memory/index.ts';
import { type BoardPorts, createBoard } from './board.ts';

const MIB = 2 ** 20;
const SIZES: readonly AccessSize[] = [1, 2, 4];
const ROUNDS = 8000;
/** Between two looks at saved states. */
const LOOK = 2000;

function board() {
  const time = { ns: 1e9 };
  const memory = createMachineMemory({ ramBytes: 16 * MIB, vcpus: 1, arenaBytes: 64 * MIB, hostNow: () => time.ns });
  memory.clock.start();
  memory.lock.acquire();
  const irqchip = new Irqchip(memory, { signal: () => undefined, guestTsc: () => 0n, tscHz: 1e9, physicalBits: 40 });
  const line = { send: () => undefined, onByte: () => undefined, ready: () => undefined };
  const ports: BoardPorts = {
    serial: [line, line, line, line],
    signals: { powerOff: () => undefined, reset: () => undefined, debugExit: () => undefined },
    calendar: { microseconds: () => Date.UTC(2026, 10, 29) * 1000 },
    callerRegisters: { read: () => ({ eax: 1, ebx: 2, ecx: 3, edx: 4 }), write: () => undefined },
  };
  const kinds = ['disk', 'disk', 'cdrom', undefined, 'floppy', 'floppy', 'disk'] as const;
  const drives = kinds.map((kind, d) => kind && { kind, serial: `SN${d}` });
  const made = createBoard({ memory, irqchip, config: { cpus: 1, testDevices: true, vga: 'std', drives }, ports });
  // Firmware with variables below it, so that the flash has cells.
  const firmware = new Uint8Array(0x10000).fill(0x90);
  made.loadFirmware('firmware', firmware, { name: 'variables', read: () => new Uint8Array(0x8000).fill(0xff) });
  irqchip.reset();
  made.reset();
  for (const drive of made.bay.drives) drive?.insert({ bytes: 64 * MIB, readonly: false });
  return { memory, irqchip, board: made, time };
}

it.each([1, 2, 3, 0x5eed, 20261129])('bears any accesses (seed %i)', { timeout: 60_000 }, (seed) => {
  const { memory, irqchip, board: one, time } = board();
  const { bus, deadlines, clock } = memory;
  const source = randomSource(seed);
  const met = new Set<string>();
  let regions = bus.regions();
  for (let i = 1; i <= ROUNDS; i++) {
    if (i % 32 === 1) regions = bus.regions().filter(({ enabled }) => enabled);
    const region = regions[source.below(regions.length)];
    if (region === undefined) throw new Error('the board has regions');
    met.add(region.name);
    // Now and then beside or across the end of a region, or at any port.
    const at = region.address + source.below(Math.max(1, region.size + (source.below(20) === 0 ? 8 : 0)));
    const size = SIZES[source.below(SIZES.length)] ?? 1;
    const port = source.below(30) === 0 ? source.below(0x10000) : at & 0xffff;
    const value = source.word() % 2 ** (8 * size);
    if (region.kind === 'mmio') {
      if (source.below(2) === 0) bus.mmioWrite(0, at, size, value);
      else expect(bus.mmioRead(0, at, size)).toBeLessThan(2 ** 32);
    } else if (source.below(2) === 0) bus.portWrite(0, port, size, value);
    else expect(bus.portRead(0, port, size)).toBeLessThan(2 ** (8 * size));
    time.ns += source.below(4) === 0 ? source.below(20_000_000) : source.below(2000);
    deadlines.serve(clock.now());
    if (source.below(4000) === 0) {
      irqchip.reset();
      one.reset();
    }
    if (i % LOOK === 0) {
      const saved = one.save();
      one.restore(saved);
      expect(one.save()).toEqual(saved);
    }
  }
  expect(met.size).toBeGreaterThan(25);
});

it('has every device there is', () => {
  const folders = globSync('*/device.ts', { cwd: new URL('../devices', import.meta.url).pathname });
  const types = new Set(
    board()
      .board.inspect()
      .map(({ type }) => type),
  );
  expect(
    folders.map((path) => path.replace(/[\\/]device\.ts$/, '')).filter((name) => ![...types].some((type) => type.includes(name))),
  ).toEqual([]);
});
