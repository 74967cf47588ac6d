/** The MP configuration table, for systems without ACPI. Spec: Intel MultiProcessor Specification 1.4, chapter 4. */
import { ascii, checksum, join, littleEndian } from './bytes.ts';
import { INTERRUPT_OVERRIDES, type Platform } from './platform.ts';

const u8 = (value: number) => littleEndian(value, 1);
const u16 = (value: number) => littleEndian(value, 2);
const u32 = (value: number) => littleEndian(value, 4);

const PCI_BUS = 0;
const ISA_BUS = 1;
/** PO and EL fields: active high with edge or level. */
const EDGE = 0x0005;
const LEVEL = 0x000d;

type Source = { readonly type: number; readonly flags: number; readonly bus: number; readonly irq: number; readonly pin: number };

const ioInterrupt = (ioApic: number, s: Source): Uint8Array =>
  join(u8(3), u8(s.type), u16(s.flags), u8(s.bus), u8(s.irq), u8(ioApic), u8(s.pin));

/** Processor signature and feature bits as CPUID leaf 1 would give them; an operating system reads CPUID anyway. */
const processor = (id: number): Uint8Array =>
  join(u8(0), u8(id), u8(0x14), u8(0x01 | (id === 0 ? 0x02 : 0)), u32(0x0600), u32(0x0201), new Uint8Array(8));

/** ISA lines 0-15 except the cascade, wired as the MADT says. */
function isaInterrupts(ioApic: number): readonly Uint8Array[] {
  const entries: Uint8Array[] = [];
  for (let irq = 0; irq < 16; irq++) {
    if (irq === 2) continue;
    const override = INTERRUPT_OVERRIDES.find((one) => one.irq === irq);
    entries.push(
      ioInterrupt(ioApic, { type: 0, flags: override?.level ? LEVEL : EDGE, bus: ISA_BUS, irq, pin: override?.gsi ?? irq }),
    );
  }
  return entries;
}

/** Floating pointer (16 bytes) followed by the configuration table; `gpa` is a multiple of 16 in the F segment. */
export function mpTable(platform: Platform, gpa: number): Uint8Array {
  const entries = [
    ...Array.from({ length: platform.cpus }, (_, id) => processor(id)),
    join(u8(1), u8(PCI_BUS), ascii('PCI   ')),
    join(u8(1), u8(ISA_BUS), ascii('ISA   ')),
    join(u8(2), u8(platform.ioApic.id), u8(0x11), u8(1), u32(platform.ioApic.address)),
    ...isaInterrupts(platform.ioApic.id),
    join(u8(4), u8(3), u16(0), u8(ISA_BUS), u8(0), u8(0xff), u8(0)), // ExtINT on LINT0
    join(u8(4), u8(1), u16(0), u8(ISA_BUS), u8(0), u8(0xff), u8(1)), // NMI on LINT1
  ];
  const body = join(...entries);
  const table = join(
    ascii('PCMP'),
    u16(44 + body.length),
    u8(4),
    u8(0),
    ascii('ROOTMODE'),
    ascii('PC          '),
    u32(0),
    u16(0),
    u16(entries.length),
    u32(platform.localApicAddress),
    u16(0),
    u8(0),
    u8(0),
    body,
  );
  table[7] = checksum(table);
  const pointer = join(ascii('_MP_'), u32(gpa + 16), u8(1), u8(4), u8(0), u8(0), u8(0), new Uint8Array(3));
  pointer[10] = checksum(pointer);
  return join(pointer, table);
}
