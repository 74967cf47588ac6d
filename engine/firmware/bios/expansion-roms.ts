/**
 * Programs in expansion ROMs of PCI functions (PCI Firmware Specification 3.0, chapter 5; PCI Local Bus 3.0, 6.3): each is copied below
 * 1 MiB and called once at power-on, where it may take over vectors. The display needs none: its services are ours.
 */
import { Private } from './areas.ts';
import { Action, type Frame } from './frame.ts';
import type { BiosHost } from './host.ts';
import { functions, readConfig, writeConfig } from './pci.ts';
import { read8, read16, write16 } from './words.ts';

const ROM_BASE = 0x30;
const DECODED = 1;
const COMMAND = 0x04;
const DECODE_MEMORY = 2;
const DISPLAY_CLASS = 0x03;
/** Where they lie: from the end of what a display adapter would take to the tables of the F segment. */
const [FIRST_SEGMENT, END] = [0xc800, 0xf0000];
const BLOCK = 512;
/** Programs start at multiples of this. */
const ALIGNMENT = 0x800;
const SIGNATURE = 0xaa55;
const PC_PROGRAM = 0;
/** Of the data structure's indicator: no image follows. */
const LAST_IMAGE = 0x80;
/** Images looked at in one ROM. */
const MOST_IMAGES = 16;
/** Offset of the entry. */
const ENTRY = 3;

/** The first trap after power-on has scratch 1, those that come back from a program one more than the function behind it. */
export function startExpansionRoms(host: BiosHost, f: Frame): void {
  const { memory, io } = host;
  if (f.scratch === 1) write16(memory, Private.RomSegment, FIRST_SEGMENT);
  else keepProgram(host);
  for (const devfn of functions(io)) {
    if (devfn < f.scratch - 1) continue;
    if (!copyProgram(host, devfn)) continue;
    const segment = read16(memory, Private.RomSegment);
    f.again(Action.Enter, devfn + 2, { segment, offset: ENTRY, argument: devfn });
    return;
  }
}

/** The program said at its start how much of it stays. */
function keepProgram({ memory }: BiosHost): void {
  const segment = read16(memory, Private.RomSegment);
  const bytes = read8(memory, segment * 16 + 2) * BLOCK;
  const end = segment * 16 + Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
  write16(memory, Private.RomSegment, Math.min(end, END) / 16);
}

/** Copy the program of a function to the next free place; false when it has none, or none that fits. */
function copyProgram(host: BiosHost, devfn: number): boolean {
  const { memory, io } = host;
  if (readConfig(io, devfn, 0x0b, 1) === DISPLAY_CLASS || (readConfig(io, devfn, 0x0e, 1) & 0x7f) !== 0) return false;
  const base = readConfig(io, devfn, ROM_BASE) & ~0x7ff;
  if (base === 0) return false;
  const command = readConfig(io, devfn, COMMAND, 2);
  writeConfig(io, devfn, { at: COMMAND, size: 2, value: command | DECODE_MEMORY });
  writeConfig(io, devfn, { at: ROM_BASE, size: 4, value: (base | DECODED) >>> 0 });
  const program = findProgram(host, base >>> 0, readConfig(io, devfn, 0));
  const to = read16(memory, Private.RomSegment) * 16;
  const fits = program !== undefined && to + program.bytes <= END;
  if (fits) memory.write(to, memory.read(program.at, program.bytes));
  writeConfig(io, devfn, { at: ROM_BASE, size: 4, value: base >>> 0 });
  writeConfig(io, devfn, { at: COMMAND, size: 2, value: command });
  return fits;
}

/** The image in a ROM that is for PCs and for this function. `identity`: device and vendor. */
function findProgram({ memory }: BiosHost, rom: number, identity: number): { at: number; bytes: number } | undefined {
  let at = rom;
  for (let image = 0; image < MOST_IMAGES; image++) {
    if (read16(memory, at) !== SIGNATURE) return undefined;
    const data = memory.read(at + read16(memory, at + 0x18), 0x18);
    const view = new DataView(data.buffer);
    if (String.fromCharCode(...data.subarray(0, 4)) !== 'PCIR') return undefined;
    const bytes = read8(memory, at + 2) * BLOCK;
    if (view.getUint32(4, true) === identity && data[0x14] === PC_PROGRAM) return bytes > ENTRY ? { at, bytes } : undefined;
    const step = view.getUint16(0x10, true) * BLOCK;
    if (((data[0x15] ?? 0) & LAST_IMAGE) !== 0 || step === 0) return undefined;
    at += step;
  }
  return undefined;
}
