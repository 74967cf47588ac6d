/**
 * PCI test device, as QEMU's pci-testdev: three tests in a memory and three in an I/O window, each counting writes to a doorbell.
 * Spec: QEMU, docs/specs/pci-testdev. Our counters are exact where QEMU's may stay at zero behind an event descriptor. It can bear an
 * expansion ROM, which QEMU's does not.
 *
 * Threats: present only in machines made for tests. The guest selects a test and makes it count.
 * Nothing comes from outside.
 * A restored selection beyond the last test means none.
 */
import { array, bytes, u8 } from '../../state/index.ts';
import { defineDevice } from '../device.ts';
import { configImage, configSpace, type PciIdentity } from '../pci/config-space.ts';
import { expansionRom, ROM_WINDOW, romBase, romRegion } from '../pci/expansion-rom.ts';

const MEMORY_SIZE = 4096;
const IO_SIZE = 256;

const IDENTITY: PciIdentity = {
  vendor: 0x1b36,
  device: 0x0005,
  revision: 0x00,
  classCode: 0x00ff00,
  bars: [
    { kind: 'memory', size: MEMORY_SIZE, region: 'memory' },
    { kind: 'io', size: IO_SIZE, region: 'io' },
  ],
};

/** Header of a window: test, width, doorbell offset, data to write there, count, name. */
const Field = { Test: 0, Width: 1, Offset: 4, Data: 8, Count: 12, Name: 16 } as const;
const DOORBELL_WIDTH = 1;
const MATCHED = 0xfa;
const UNMATCHED = 0xce;
const TESTS = ['no-eventfd', 'wildcard-eventfd', 'datamatch-eventfd'] as const;
const KINDS = ['mmio', 'portio'] as const;
const NONE = 0xff;

export const pciTestdev = defineDevice({
  type: 'pci-testdev',
  ports: { io: IO_SIZE },
  mmio: { memory: MEMORY_SIZE, rom: ROM_WINDOW },
  widest: 4,
  needs: { rom: expansionRom },
  state: {
    config: bytes(256, { id: 1, reset: configImage(IDENTITY), doc: 'Configuration space' }),
    current: u8({ id: 2, reset: NONE, doc: 'Test that runs: 0-2 memory, 3-5 I/O, 255 none' }),
    counts: array('u32', TESTS.length * KINDS.length, { id: 3, doc: 'Writes to the doorbell of each test' }),
  },
  create({ state, placements, rom }) {
    const config = configSpace(state.config, { ...IDENTITY, rom: romBase(rom) }, { placements });
    const matches = (test: number) => test % TESTS.length !== 1;

    /** Bytes of the running test's header and name; nothing while none runs. */
    const header = (): Uint8Array => {
      const test = state.current;
      if (test >= TESTS.length * KINDS.length) return new Uint8Array(0);
      const kind = Math.floor(test / TESTS.length);
      const name = new TextEncoder().encode(`${KINDS[kind]}-${TESTS[test % TESTS.length]}`);
      const image = new Uint8Array(Field.Name + name.length + 1);
      const view = new DataView(image.buffer);
      image[Field.Test] = test;
      image[Field.Width] = DOORBELL_WIDTH;
      view.setUint32(Field.Offset, doorbell(test), true);
      image[Field.Data] = matches(test) ? MATCHED : UNMATCHED;
      view.setUint32(Field.Count, state.counts[test] ?? 0, true);
      image.set(name, Field.Name);
      return image;
    };
    /** Doorbells lie in the upper half of their window. */
    const doorbell = (test: number): number => {
      const half = test < TESTS.length ? MEMORY_SIZE / 2 : IO_SIZE / 2;
      return half + (test % TESTS.length) * DOORBELL_WIDTH;
    };

    const window = (kind: number) => ({
      read: (at: number, size: number): number => {
        const image = header();
        let value = 0;
        for (let i = 0; i < size; i++) value += (image[at + i] ?? 0) * 2 ** (8 * i);
        return value;
      },
      write: (at: number, value: number, size: number) => {
        if (at === Field.Test) {
          const wanted = value & 0xff;
          state.current = wanted < TESTS.length ? kind * TESTS.length + wanted : NONE;
          if (state.current !== NONE) state.counts[state.current] = 0;
          return;
        }
        const test = state.current;
        if (test >= TESTS.length * KINDS.length || at !== doorbell(test)) return;
        const rings = !matches(test) || (size === DOORBELL_WIDTH && (value & 0xff) === MATCHED);
        if (rings) state.counts[test] = ((state.counts[test] ?? 0) + 1) >>> 0;
      },
    });
    return {
      regions: { memory: window(0), io: window(1), rom: romRegion(rom) },
      restored: () => config.restored(),
      api: { config },
    };
  },
});
