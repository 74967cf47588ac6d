/**
 * Guest memory as the oracle reaches it: segmentation (SDM vol. 3, chapter 5), alignment checks, the naive walk for every access and no
 * TLB, then the table of guest-physical pages. Also the `LinearMemory` of slow routines.
 */
import type { MachineMemory } from '../../memory/index.ts';
import { FIXED, PHYS, PHYSICAL_END } from '../../memory/map.ts';
import type { Access, AccessWidth, CpuHost, LinearMemory, VcpuState } from '../context.ts';
import { GuestFault } from '../context.ts';
import { type WalkAccess, type WalkState, walk } from './walker.ts';

const SS = 2;
const FS = 4;

/** Guest-physical address of each byte of an access, in order. */
type Places = readonly number[];

interface Request {
  readonly offset: bigint;
  readonly kind: 'read' | 'write' | 'update';
  /** Misalignment to 16 bytes raises #GP(0). */
  readonly aligned?: boolean;
}

interface LinearAccess {
  readonly bytes: number;
  readonly kind: WalkAccess['kind'];
  readonly privilege: WalkAccess['privilege'];
  /** Made by a routine for the processor itself. */
  readonly own?: boolean;
}

export interface MemoryEnvironment {
  readonly s: VcpuState;
  readonly machine: MachineMemory;
  readonly host: CpuHost;
  readonly index: number;
  readonly gigabytePages: boolean;
}

/** What #AC demands (SDM vol. 3, table 6-7): sequences of words or dwords by their elements, 16-byte operands are not checked. */
function alignmentOf(bytes: number): bigint {
  if (bytes === 10) return 8n;
  return bytes % 16 === 0 ? 1n : BigInt(bytes & -bytes);
}

const canonical = (address: bigint): boolean => BigInt.asUintN(64, BigInt.asIntN(48, address)) === address;

export class OracleMemory implements LinearMemory {
  readonly #environment: MemoryEnvironment;

  constructor(environment: MemoryEnvironment) {
    this.#environment = environment;
  }

  /** 64-bit code is running: IA32_EFER.LMA and CS.L. */
  get longCode(): boolean {
    const { s } = this.#environment;
    return (s.efer & 0x400n) !== 0n && (s.csAttr & 0x2000) !== 0;
  }

  // ---- segments ----

  #segment(number: number): { base: bigint; limit: bigint; attr: number } {
    const { s } = this.#environment;
    switch (number) {
      case 0:
        return { base: s.esBase, limit: BigInt(s.esLimit), attr: s.esAttr };
      case 1:
        return { base: s.csBase, limit: BigInt(s.csLimit), attr: s.csAttr };
      case 2:
        return { base: s.ssBase, limit: BigInt(s.ssLimit), attr: s.ssAttr };
      case 3:
        return { base: s.dsBase, limit: BigInt(s.dsLimit), attr: s.dsAttr };
      case 4:
        return { base: s.fsBase, limit: BigInt(s.fsLimit), attr: s.fsAttr };
      default:
        return { base: s.gsBase, limit: BigInt(s.gsLimit), attr: s.gsAttr };
    }
  }

  /** Linear address of an offset, without any check. */
  linear(segment: number, offset: bigint): bigint {
    if (this.longCode) return BigInt.asUintN(64, offset + (segment >= FS ? this.#segment(segment).base : 0n));
    return BigInt.asUintN(32, offset + this.#segment(segment).base);
  }

  /** Checks of an access of `bytes` at an offset, without alignment; the linear address. */
  checked(bytes: number, segment: number, request: Request): bigint {
    const fault = (): GuestFault => new GuestFault(segment === SS ? 12 : 13, 0);
    const linear = this.linear(segment, request.offset);
    const last = BigInt(bytes - 1);
    if (this.longCode) {
      if (!canonical(linear) || !canonical(BigInt.asUintN(64, linear + last))) throw fault();
      return linear;
    }
    const { s } = this.#environment;
    const { limit, attr } = this.#segment(segment);
    const typed = (s.cr0 & 1n) !== 0n && (s.sysFlags & 0x20000) === 0;
    const code = (attr & 8) !== 0;
    if (typed) {
      if ((attr & 0x10000) !== 0) throw fault();
      if (request.kind !== 'read' && (code || (attr & 2) === 0)) throw fault();
      if (code && (attr & 2) === 0) throw fault();
    }
    const end = request.offset + last;
    if (typed && !code && (attr & 4) !== 0) {
      const top = (attr & 0x4000) !== 0 ? 0xffffffffn : 0xffffn;
      if (request.offset <= limit || end > top) throw fault();
    } else if (end > limit && limit !== 0xffffffffn) {
      // A segment of 4 GiB may wrap around (SDM vol. 3, 5.3).
      throw fault();
    }
    return linear;
  }

  /** #AC: only for data accesses at CPL 3 with CR0.AM and EFLAGS.AC. */
  #checkAlignment(linear: bigint, bytes: number): void {
    const { s } = this.#environment;
    const checked = s.cpl === 3 && (s.cr0 & 0x40000n) !== 0n && (s.sysFlags & 0x40000) !== 0;
    if (checked && linear % alignmentOf(bytes) !== 0n) throw new GuestFault(17, 0);
  }

  /** Check and translate an access through a segment. Nothing has been read or written yet. */
  place(bytes: number, segment: number, request: Request): Places {
    // Processors look at the alignment an instruction demands before they look at segment limits and canonical form.
    if (request.aligned === true && this.linear(segment, request.offset) % 16n !== 0n) throw new GuestFault(13, 0);
    const linear = this.checked(bytes, segment, request);
    this.#checkAlignment(linear, bytes);
    return this.#translate(linear, { bytes, kind: request.kind === 'read' ? 'read' : 'write', privilege: this.#privilege() });
  }

  load(width: number, segment: number, offset: bigint, aligned = false): bigint {
    return this.readPlaces(this.place(width / 8, segment, { offset, kind: 'read', aligned }));
  }

  store(width: number, segment: number, to: { offset: bigint; value: bigint; aligned?: boolean }): void {
    const places = this.place(width / 8, segment, { offset: to.offset, kind: 'write', aligned: to.aligned === true });
    this.writePlaces(places, to.value);
  }

  // ---- linear addresses ----

  #privilege(): WalkAccess['privilege'] {
    return this.#environment.s.cpl === 3 ? 'user' : 'supervisor';
  }

  get #walkState(): WalkState {
    const { s, gigabytePages } = this.#environment;
    const { cr0, cr3, cr4, efer } = s;
    return { cr0, cr3, cr4, efer, pdptes: [...s.pdpte], physicalBits: s.physicalBits, gigabytePages };
  }

  #walk(linear: bigint, kind: WalkAccess['kind'], privilege: WalkAccess['privilege']): number {
    const ac = (this.#environment.s.sysFlags & 0x40000) !== 0;
    const result = walk(
      this.#walkState,
      linear,
      { kind, privilege, ac },
      {
        read: (width, address) => this.readPhysical(width, Number(address)),
        write: (width, address, value) => this.writePhysical(width, Number(address), value),
      },
    );
    if ('errorCode' in result) throw new GuestFault(14, result.errorCode, { cr2: linear });
    return Number(result.physical);
  }

  /** One walk per page touched, lowest first. Addresses wrap at 4 GiB except in 64-bit code and for the processor's own in IA-32e mode. */
  #translate(linear: bigint, access: LinearAccess): Places {
    const wrap = this.longCode || (access.own === true && (this.#environment.s.efer & 0x400n) !== 0n) ? 64 : 32;
    const places: number[] = [];
    let page = -1;
    for (let i = 0; i < access.bytes; i++) {
      const address = BigInt.asUintN(wrap, linear + BigInt(i));
      const offset = Number(address & 0xfffn);
      if (page < 0 || offset === 0) page = this.#walk(address, access.kind, access.privilege) - offset;
      places.push(page + offset);
    }
    // What routines access is not watched, in no tier.
    if (access.kind !== 'fetch' && access.own !== true) this.#watch(linear, access.bytes, access.kind);
    return places;
  }

  /** Data breakpoints (SDM vol. 3, 18.2.4): note in `debugTraps` which of DR0 to DR3 an access touched. */
  #watch(linear: bigint, bytes: number, kind: 'read' | 'write'): void {
    const { s } = this.#environment;
    const control = Number(s.dr7 & 0xffffffffn);
    if ((control & 0xff) === 0) return;
    for (let i = 0; i < 4; i++) {
      if (((control >> (i * 2)) & 3) === 0) continue;
      const type = (control >> (16 + i * 4)) & 3;
      if (!(type === 3 || (type === 1 && kind === 'write'))) continue;
      const length = [1n, 2n, 8n, 4n][(control >> (18 + i * 4)) & 3] ?? 1n;
      const start = (s.dr[i] ?? 0n) & ~(length - 1n);
      if (linear < start + length && start < linear + BigInt(bytes)) s.debugTraps |= 1 << i;
    }
  }

  readPlaces(places: Places): bigint {
    return places.reduceRight((value, place) => (value << 8n) | this.readPhysical(8, place), 0n);
  }

  writePlaces(places: Places, value: bigint): void {
    const whole = this.#wholeAccess(places);
    if (whole !== undefined) {
      this.writePhysical(whole, places[0] ?? 0, BigInt.asUintN(whole, value));
      return;
    }
    for (const [i, place] of places.entries()) this.writePhysical(8, place, (value >> BigInt(i * 8)) & 0xffn);
  }

  /** Width of an aligned access inside one page, which goes to the bus as one. */
  #wholeAccess(places: Places): AccessWidth | undefined {
    const bytes = places.length;
    const [first = 0] = places;
    if (bytes !== 2 && bytes !== 4 && bytes !== 8) return undefined;
    return first % bytes === 0 ? ((bytes * 8) as AccessWidth) : undefined;
  }

  loadLinear(width: number, address: bigint): bigint {
    return this.readPlaces(this.#translate(address, { bytes: width / 8, kind: 'read', privilege: this.#privilege() }));
  }

  storeLinear(width: number, address: bigint, value: bigint): void {
    this.writePlaces(this.#translate(address, { bytes: width / 8, kind: 'write', privilege: this.#privilege() }), value);
  }

  /** One byte of code at a linear address. Throws the page fault of the fetch. */
  fetch(address: bigint): number {
    const [place = 0] = this.#translate(address, { bytes: 1, kind: 'fetch', privilege: this.#privilege() });
    return Number(this.readPhysical(8, place));
  }

  read(width: AccessWidth, address: bigint, access: Access): bigint {
    return this.readPlaces(this.#translate(address, { bytes: width / 8, kind: 'read', privilege: access, own: true }));
  }

  write(width: AccessWidth, address: bigint, value: bigint, access: Access): void {
    this.writePlaces(this.#translate(address, { bytes: width / 8, kind: 'write', privilege: access, own: true }), value);
  }

  probe(address: bigint, bytes: number, access: Access, write: boolean): void {
    this.#translate(address, { bytes, kind: write ? 'write' : 'read', privilege: access, own: true });
  }

  translate(address: bigint, access: Access, write: boolean): number {
    return this.#walk(address, write ? 'write' : 'read', access);
  }

  // ---- physical addresses ----

  #entry(pa: number): number {
    const { machine } = this.#environment;
    return pa < PHYSICAL_END ? (machine.u32[(FIXED.physTable >>> 2) + Math.floor(pa / 4096)] ?? 0) : 0;
  }

  readPhysical(width: AccessWidth, pa: number): bigint {
    const { machine, host, index } = this.#environment;
    const entry = this.#entry(pa);
    const bytes = width / 8;
    if ((entry & (PHYS.RAM | PHYS.ROM)) !== 0) {
      const at = ((entry & 0xfffff000) >>> 0) + (pa % 4096);
      let value = 0n;
      for (let i = bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(machine.u8[at + i] ?? 0);
      return value;
    }
    if (bytes === 8) {
      const low = host.mmioRead(index, pa, 4) >>> 0;
      return BigInt(low) | (BigInt(host.mmioRead(index, pa + 4, 4) >>> 0) << 32n);
    }
    return BigInt(host.mmioRead(index, pa, bytes as 1 | 2 | 4) >>> 0);
  }

  writePhysical(width: AccessWidth, pa: number, value: bigint): void {
    const { machine, host, index } = this.#environment;
    const bytes = width / 8;
    if ((this.#entry(pa) & PHYS.RAM) !== 0) {
      machine.dma.write(
        pa,
        Uint8Array.from({ length: bytes }, (_, i) => Number((value >> BigInt(i * 8)) & 0xffn)),
      );
      return;
    }
    const low = Number(value & 0xffffffffn);
    host.mmioWrite(index, pa, bytes === 8 ? 4 : (bytes as 1 | 2 | 4), low);
    if (bytes === 8) host.mmioWrite(index, pa + 4, 4, Number(value >> 32n));
  }
}
