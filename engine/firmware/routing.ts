/** PCI interrupt routing for systems without ACPI: the $PIR table. Spec: Microsoft, PCI IRQ Routing Table Specification 1.0; PCI BIOS 2.1, 4.8. */
import { ascii, checksum, join, littleEndian } from './bytes.ts';

/** The ISA bridge routes: its function, and the register of PIRQA, which also names the link. */
export const ROUTER = { devfn: 8, vendor: 0x8086, device: 0x7000, pirqA: 0x60 } as const;
/** ISA interrupts that a PIRQ may be routed to; nothing else of the machine uses them. */
export const PIRQ_CHOICES = [5, 10, 11] as const;
export const PIRQ_MASK = PIRQ_CHOICES.reduce((mask, irq) => mask | (1 << irq), 0);
const SLOTS = 31;
const ENTRY = 16;

const u8 = (value: number) => littleEndian(value, 1);
const u16 = (value: number) => littleEndian(value, 2);

/**
 * The link of pin 0 to 3 (INTA to INTD) of a slot: the register of its PIRQ, (slot - 1 + pin) mod 4. 0: none. The PM function in slot 1 is
 * wired to the SCI.
 */
export function linkOf(slot: number, pin: number): number {
  return slot === 0 || (slot === 1 && pin === 0) ? 0 : ROUTER.pirqA + ((slot - 1 + pin) % 4);
}

/** What each slot's pins are wired to: the buffer of PCI BIOS function 0Eh, and the end of the table. */
export function routingOptions(): Uint8Array {
  const slots = Array.from({ length: SLOTS }, (_, i) => {
    const slot = i + 1;
    const pins = [0, 1, 2, 3].map((pin) => {
      const link = linkOf(slot, pin);
      return join(u8(link), u16(link === 0 ? 0 : PIRQ_MASK));
    });
    // Nothing can be plugged in: every slot is a part of the board.
    return join(u8(0), u8(slot << 3), ...pins, u8(0), u8(0));
  });
  return join(...slots);
}

/** Bytes of the table before the slots. */
export const ROUTING_HEADER = 32;

export function routingTable(): Uint8Array {
  const { devfn, vendor, device } = ROUTER;
  const table = join(
    ascii('$PIR'),
    u16(0x0100),
    u16(ROUTING_HEADER + SLOTS * ENTRY),
    u8(0),
    u8(devfn),
    u16(PIRQ_MASK),
    u16(vendor),
    u16(device),
    new Uint8Array(16),
    routingOptions(),
  );
  table[31] = checksum(table);
  return table;
}
