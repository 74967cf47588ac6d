/** The expansion ROM of a PCI function. Spec: PCI Local Bus 3.0, 6.3. */
import { definePort } from '../ports.ts';

/** What a function's ROM holds; no bytes: the function has none. The same on every thread of a machine. */
export interface ExpansionRom {
  readonly bytes: Uint8Array;
}

export const expansionRom = definePort<ExpansionRom>('expansion-rom', () => ({ bytes: new Uint8Array(0) }));

/** The largest that is shown: as much as fits below 1 MiB. */
export const ROM_WINDOW = 0x2_0000;

/** Its base address in a function's identity; absent for a function without one. */
export function romBase({ bytes }: ExpansionRom): { readonly size: number; readonly region: string } | undefined {
  return bytes.length === 0 ? undefined : { size: ROM_WINDOW, region: 'rom' };
}

/** The region that shows it: writes change nothing, and beyond its end nothing answers. */
export function romRegion({ bytes }: ExpansionRom) {
  return {
    read: (at: number, size: number): number => {
      let value = 0;
      for (let i = 0; i < size; i++) value += (bytes[at + i] ?? 0xff) * 2 ** (8 * i);
      return value;
    },
    write: () => undefined,
  };
}
