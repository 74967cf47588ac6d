/**
 * Configuration space of one PCI function, type 0 header. Spec: PCI Local Bus 3.0, chapter 6.
 * Base addresses, that of an expansion ROM among them, are sized and moved by writing them; where a region stands follows from these
 * bytes alone.
 */
import type { AccessSize, Placement } from '../../memory/index.ts';

const Config = {
  Vendor: 0x00,
  Device: 0x02,
  Command: 0x04,
  Status: 0x06,
  Revision: 0x08,
  HeaderType: 0x0e,
  Bar0: 0x10,
  SubsystemVendor: 0x2c,
  Rom: 0x30,
  InterruptLine: 0x3c,
  InterruptPin: 0x3d,
} as const;

const CommandBit = { Io: 0x0001, Memory: 0x0002, Master: 0x0004, IntxOff: 0x0400 } as const;
const COMMAND_WRITABLE = CommandBit.Io | CommandBit.Memory | CommandBit.Master | 0x0140 | CommandBit.IntxOff;
const MULTIFUNCTION = 0x80;
const PREFETCHABLE = 0x08;
/** Of the expansion ROM's base address: it is decoded (6.2.5.2), if memory is. */
const ROM_ON = 0x01;
/** The least that this base address can tell. */
const LEAST_ROM = 2048;

/** One base address. */
interface BaseAddress {
  readonly kind: 'io' | 'memory';
  /** A power of two of at least 16 (memory) or 4 (I/O) bytes. */
  readonly size: number;
  /** The device's region that stands there; one without a placement is shown by the device itself. */
  readonly region: string;
  /** Reads have no side effects: for memory, not for registers. */
  readonly prefetchable?: boolean;
}

/** What is fixed about a function. */
export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
  readonly revision: number;
  /** Base class, sub-class, programming interface: 24 bits. */
  readonly classCode: number;
  readonly multifunction?: boolean;
  /** 1..4 for INTA..INTD; absent: none. */
  readonly interruptPin?: number;
  /** By number of the base address; a hole where there is none. */
  readonly bars?: readonly (BaseAddress | undefined)[];
  /** An expansion ROM: a power of two of at least 2048 bytes, and the device's region that shows it. */
  readonly rom?: { readonly size: number; readonly region: string } | undefined;
  /** Command register bits that are fixed, for bridges. */
  readonly command?: { readonly reset: number; readonly writable: number };
  /** Device-specific registers: offset, bytes at power-on, writable bits. */
  readonly registers?: readonly {
    readonly at: number;
    readonly reset: readonly number[];
    readonly writable: readonly number[];
  }[];
}

/** One function on a bus, as the host bridge reaches it. */
export interface PciFunction {
  read(offset: number, size: AccessSize): number;
  write(offset: number, size: AccessSize, value: number): void;
}

const put = (to: Uint8Array, at: number, value: number, size: number) => {
  for (let i = 0; i < size; i++) to[at + i] = Math.floor(value / 2 ** (8 * i)) & 0xff;
};
const get = (from: Uint8Array, at: number, size: number): number => {
  let value = 0;
  for (let i = 0; i < size; i++) value += (from[at + i] ?? 0xff) * 2 ** (8 * i);
  return value;
};

/** The 256 bytes at power-on: reset value of the device's `config` member. */
export function configImage(identity: PciIdentity): Uint8Array {
  const image = new Uint8Array(256);
  put(image, Config.Vendor, identity.vendor, 2);
  put(image, Config.Device, identity.device, 2);
  put(image, Config.Command, identity.command?.reset ?? 0, 2);
  put(image, Config.Revision, identity.classCode * 256 + identity.revision, 4);
  image[Config.HeaderType] = identity.multifunction ? MULTIFUNCTION : 0;
  identity.bars?.forEach((bar, i) => {
    if (bar) image[Config.Bar0 + 4 * i] = bar.kind === 'io' ? 1 : bar.prefetchable ? PREFETCHABLE : 0;
  });
  image[Config.InterruptPin] = identity.interruptPin ?? 0;
  for (const { at, reset } of identity.registers ?? []) image.set(reset, at);
  return image;
}

/** Which bits the guest can write. */
function writableBits(identity: PciIdentity): Uint8Array {
  const mask = new Uint8Array(256);
  put(mask, Config.Command, identity.command?.writable ?? COMMAND_WRITABLE, 2);
  mask[0x0c] = 0xff; // cache line size and latency timer: kept for the guest, without effect
  mask[0x0d] = 0xff;
  identity.bars?.forEach((bar, i) => {
    if (bar) put(mask, Config.Bar0 + 4 * i, 2 ** 32 - bar.size, 4);
  });
  if (identity.rom) put(mask, Config.Rom, 2 ** 32 - Math.max(identity.rom.size, LEAST_ROM) + ROM_ON, 4);
  if (identity.interruptPin) mask[Config.InterruptLine] = 0xff;
  for (const { at, writable } of identity.registers ?? []) mask.set(writable, at);
  return mask;
}

/** The behaviour over the bytes of a device's `config` member. */
export interface ConfigSpace extends PciFunction {
  word(offset: number): number;
  /** Drop restored bits that no guest could have set, and put the regions where the base addresses say. */
  restored(): void;
  readonly command: number;
}

/** `changed` runs after a write, with its offset and size, when the regions have moved already. */
export function configSpace(
  bytes: Uint8Array,
  identity: PciIdentity,
  to: { readonly placements: Readonly<Record<string, Placement>>; readonly changed?: (offset: number, size: number) => void },
): ConfigSpace {
  const image = configImage(identity);
  const writable = writableBits(identity);

  const placeRom = (memory: boolean) => {
    if (identity.rom === undefined) return;
    const { size, region } = identity.rom;
    const raw = get(bytes, Config.Rom, 4);
    const address = Math.floor(raw / size) * size;
    const placement = to.placements[region];
    placement?.move(address);
    placement?.enable(memory && (raw & ROM_ON) !== 0 && address !== 0 && address + size <= 2 ** 32);
  };

  const place = () => {
    const command = get(bytes, Config.Command, 2);
    placeRom((command & CommandBit.Memory) !== 0);
    identity.bars?.forEach((bar, i) => {
      if (bar === undefined) return;
      const { kind, size, region } = bar;
      const raw = get(bytes, Config.Bar0 + 4 * i, 4);
      const address = Math.floor(raw / size) * size;
      const decoded = (command & (kind === 'io' ? CommandBit.Io : CommandBit.Memory)) !== 0;
      // Nothing stands at 0, where an unassigned base address points, nor beyond what the processor can reach.
      const reachable = address !== 0 && address + size <= (kind === 'io' ? 0x1_0000 : 2 ** 32);
      const placement = to.placements[region];
      placement?.move(address);
      placement?.enable(decoded && reachable);
    });
  };

  return {
    read: (offset, size) => get(bytes, offset, size),
    write: (offset, size, value) => {
      for (let i = 0; i < size; i++) {
        const at = offset + i;
        if (at > 0xff) break;
        const mask = writable[at] ?? 0;
        bytes[at] = ((bytes[at] ?? 0) & ~mask) | (Math.floor(value / 2 ** (8 * i)) & mask);
      }
      place();
      to.changed?.(offset, size);
    },
    word: (offset) => get(bytes, offset, 2),
    restored: () => {
      for (let i = 0; i < 256; i++) {
        const mask = writable[i] ?? 0;
        bytes[i] = ((image[i] ?? 0) & ~mask) | ((bytes[i] ?? 0) & mask);
      }
      place();
    },
    get command() {
      return get(bytes, Config.Command, 2);
    },
  };
}
