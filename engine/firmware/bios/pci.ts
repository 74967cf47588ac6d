/** PCI configuration by mechanism 1 on bus 0, and the PCI BIOS (PCI BIOS Specification 2.1): INT 1Ah B1h and its 32-bit entry. */
import { linkOf, PIRQ_MASK, ROUTER } from '../routing.ts';
import type { BiosIo } from './host.ts';

const ADDRESS = 0xcf8;
const DATA = 0xcfc;
const NOBODY = 0xffff_ffff;

export type Width = 1 | 2 | 4;

/** A function's registers; `devfn` = slot * 8 + function. */
export function readConfig(io: BiosIo, devfn: number, at: number, size: Width = 4): number {
  io.out(ADDRESS, 0x8000_0000 + devfn * 0x100 + (at & 0xfc), 4);
  return io.in(DATA + (at & 3), size);
}

export function writeConfig(
  io: BiosIo,
  devfn: number,
  register: { readonly at: number; readonly size: Width; readonly value: number },
): void {
  io.out(ADDRESS, 0x8000_0000 + devfn * 0x100 + (register.at & 0xfc), 4);
  io.out(DATA + (register.at & 3), register.value, register.size);
}

/** Every function of bus 0 in ascending order. */
export function* functions(io: BiosIo): Generator<number> {
  for (let slot = 0; slot < 32; slot++) {
    if (readConfig(io, slot * 8, 0) === NOBODY) continue;
    const many = (readConfig(io, slot * 8, 0x0e, 1) & 0x80) !== 0;
    for (let fn = 0; fn < (many ? 8 : 1); fn++) if (readConfig(io, slot * 8 + fn, 0) !== NOBODY) yield slot * 8 + fn;
  }
}

export const Code = {
  Done: 0x00,
  Unsupported: 0x81,
  BadVendor: 0x83,
  NotFound: 0x86,
  BadRegister: 0x87,
  SetFailed: 0x88,
  BufferTooSmall: 0x89,
} as const;

/** Registers of one call, as both entries give them. */
export interface PciRegisters {
  eax: number;
  ebx: number;
  ecx: number;
  edx: number;
  esi: number;
  edi: number;
}

const word = (register: number, value: number): number => ((register & 0xffff_0000) | (value & 0xffff)) >>> 0;

/** What differs between the entries. */
export interface PciCaller {
  /** Function 0Eh: the routing options go to the caller's buffer. Returns the code. */
  giveOptions(r: PciRegisters): number;
}

/** Function AL with AH = B1h. AH of the result is a code; carry follows from it being other than 0. */
export function pciBios(io: BiosIo, r: PciRegisters, caller: PciCaller): void {
  const code = perform(io, r, caller);
  r.eax = ((r.eax & 0xffff_00ff) | (code << 8)) >>> 0;
}

function perform(io: BiosIo, r: PciRegisters, caller: PciCaller): number {
  const al = r.eax & 0xff;
  switch (al & 0x7f) {
    case 0x01: // installation check
      r.edx = 0x2049_4350; // "PCI "
      r.eax = ((r.eax & 0xffff_ff00) | 0x01) >>> 0; // mechanism 1, no special cycles
      r.ebx = word(r.ebx, 0x0210);
      r.ecx = ((r.ecx & 0xffff_ff00) | 0) >>> 0;
      return Code.Done;
    case 0x02: {
      const [device, vendor, index] = [r.ecx & 0xffff, r.edx & 0xffff, r.esi & 0xffff];
      if (vendor === 0xffff) return Code.BadVendor;
      return find(io, r, index, (devfn) => readConfig(io, devfn, 0) === ((device << 16) | vendor) >>> 0);
    }
    case 0x03: {
      const classCode = r.ecx & 0xff_ffff;
      return find(io, r, r.esi & 0xffff, (devfn) => readConfig(io, devfn, 8) >>> 8 === classCode);
    }
    case 0x06:
      return Code.Unsupported; // special cycle
    case 0x08:
    case 0x09:
    case 0x0a:
    case 0x0b:
    case 0x0c:
    case 0x0d:
      return access(io, r, al & 0x7f);
    case 0x0e:
      r.ebx = word(r.ebx, PIRQ_MASK);
      return caller.giveOptions(r);
    case 0x0f:
      return route(io, r);
    default:
      return Code.Unsupported;
  }
}

const ELCR = 0x4d0;
/** INTA in CL. */
const PIN_A = 0x0a;

/** The caller answers for everything else that is on the same line. */
function route(io: BiosIo, r: PciRegisters): number {
  const [bus, devfn, pin, irq] = [(r.ebx >>> 8) & 0xff, r.ebx & 0xff, (r.ecx & 0xff) - PIN_A, (r.ecx >>> 8) & 0xff];
  const isChoice = irq < 16 && (PIRQ_MASK & (1 << irq)) !== 0;
  if (bus !== 0 || pin < 0 || pin > 3 || !isChoice || readConfig(io, devfn, 0) === NOBODY) return Code.SetFailed;
  const link = linkOf(devfn >>> 3, pin);
  if (link === 0) return Code.SetFailed;
  writeConfig(io, ROUTER.devfn, { at: link, size: 1, value: irq });
  const port = ELCR + (irq >>> 3);
  io.out(port, io.in(port) | (1 << (irq & 7)));
  return Code.Done;
}

function find(io: BiosIo, r: PciRegisters, index: number, matches: (devfn: number) => boolean): number {
  let left = index;
  for (const devfn of functions(io)) {
    if (!matches(devfn) || left-- > 0) continue;
    r.ebx = word(r.ebx, devfn);
    return Code.Done;
  }
  return Code.NotFound;
}

function access(io: BiosIo, r: PciRegisters, which: number): number {
  const size = ([1, 2, 4] as const)[(which - 8) % 3] ?? 1;
  const at = r.edi & 0xffff;
  if (at > 0xff || at % size !== 0) return Code.BadRegister;
  const [bus, devfn] = [(r.ebx >>> 8) & 0xff, r.ebx & 0xff];
  if (which < 0x0b) {
    const value = bus === 0 ? readConfig(io, devfn, at, size) : NOBODY;
    r.ecx = size === 4 ? value >>> 0 : size === 2 ? word(r.ecx, value) : ((r.ecx & 0xffff_ff00) | (value & 0xff)) >>> 0;
  } else if (bus === 0) writeConfig(io, devfn, { at, size, value: r.ecx & (size === 4 ? 0xffff_ffff : 2 ** (8 * size) - 1) });
  return Code.Done;
}
