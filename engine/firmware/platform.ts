/** What firmware must know about the PC it describes. The board fills it in; nothing here reads hardware. */

export interface Platform {
  /** Logical processors; APIC id = index. 1 to 254. */
  readonly cpus: number;
  /** Bytes of RAM, a multiple of 4096; what does not fit below `ramHole.start` lies from 4 GiB upwards. */
  readonly ramBytes: number;
  /** The gap below 4 GiB where RAM never is. */
  readonly ramHole: { readonly start: number; readonly end: number };
  /** PCI memory window, end exclusive. */
  readonly pciWindow: { readonly start: number; readonly end: number };
  readonly ioApic: { readonly address: number; readonly id: number };
  readonly localApicAddress: number;
  /** Base port of the PIIX4 power-management block (64 ports). */
  readonly pmBase: number;
  readonly serial: readonly { readonly port: number; readonly irq: number }[];
  /** The page of the HPET; absent: there is none. */
  readonly hpet?: { readonly address: number; readonly id: number };
  /** Whether there is a VGA, which the firmware leaves in its 80-column text mode. */
  readonly display: boolean;
  /** 16 bytes, or all zero for a machine without identity. */
  readonly uuid: Uint8Array;
}

/** The defaults of our i440FX board; the caller gives what differs from machine to machine. */
export function i440fxPlatform(given: Pick<Platform, 'cpus' | 'ramBytes'> & Partial<Platform>): Platform {
  return {
    ramHole: { start: 0xe000_0000, end: 0x1_0000_0000 },
    pciWindow: { start: 0xe000_0000, end: 0xfec0_0000 },
    ioApic: { address: 0xfec0_0000, id: 0 },
    localApicAddress: 0xfee0_0000,
    pmBase: 0x600,
    serial: [
      { port: 0x3f8, irq: 4 },
      { port: 0x2f8, irq: 3 },
    ],
    display: false,
    uuid: new Uint8Array(16),
    ...given,
  };
}

/** Bytes of RAM below the hole. */
export const lowRam = (platform: Platform): number => Math.min(platform.ramBytes, platform.ramHole.start);
/** Bytes of RAM from 4 GiB upwards. */
export const highRam = (platform: Platform): number => platform.ramBytes - lowRam(platform);

/**
 * Interrupt sources that differ from "ISA line n = GSI n, edge, active high". IRQ 0 arrives at I/O APIC pin 2; the SCI (9) and the
 * lines that PIRQs may be routed to are level-triggered. Read by the MADT, the MP table and the board, which must agree.
 */
export const INTERRUPT_OVERRIDES: readonly { readonly irq: number; readonly gsi: number; readonly level: boolean }[] = [
  { irq: 0, gsi: 2, level: false },
  { irq: 5, gsi: 5, level: true },
  { irq: 9, gsi: 9, level: true },
  { irq: 10, gsi: 10, level: true },
  { irq: 11, gsi: 11, level: true },
];
