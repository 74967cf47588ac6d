/** Guest memory as slow routines see it, over the generated page walk. */
import { type MachineMemory, PHYS, PHYSICAL_END } from '../memory/index.ts';
import { type Access, type AccessWidth, type CpuHost, GuestFault, type LinearMemory, type VcpuState, VmExit } from './context.ts';
import { PENDING_EXIT } from './routines/ept.ts';
import { ACCESS, TRANSLATED } from './routines/paging.ts';

const PAGE = 4096;
const PAGE_MASK = 0xfffn;
/** Where `translate` puts addresses of a monitored processor that only the open bus answers: above all physical ones. */
const BUS_SPACE = 2 ** 52;

/** What the generated module offers to TypeScript. */
export interface ProcessorExports {
  run(cpu: number): number;
  translate(cpu: number, linear: bigint, access: bigint): bigint;
  walkPages(cpu: number, linear: bigint, access: bigint): bigint;
  eptWalk(cpu: number, gpa: bigint, access: bigint, linear: bigint): bigint;
  noteCodeWrite(cpu: number, host: number, bytes: number): number;
  deliver(cpu: number, vector: number, what: number): number;
}

export interface LinearMemoryOptions {
  readonly s: VcpuState;
  readonly machine: MachineMemory;
  readonly host: CpuHost;
  readonly index: number;
  readonly exports: () => ProcessorExports;
}

/** The VM exit that the EPT walk queued. */
export const queuedExit = (s: VcpuState): VmExit =>
  new VmExit(s.eptReason, {
    qualification: s.eptQualification,
    gpa: s.eptAddress,
    linear: s.excAddress,
    resume: true,
  });

const KIND: Record<Access, number> = { user: ACCESS.user, supervisor: 0, implicit: ACCESS.implicit };

export class WalkedMemory implements LinearMemory {
  readonly #o: LinearMemoryOptions;

  constructor(options: LinearMemoryOptions) {
    this.#o = options;
  }

  read(width: AccessWidth, address: bigint, access: Access): bigint {
    const bytes = width / 8;
    const first = this.#reach(address, access, false);
    if (Number(address & PAGE_MASK) + bytes <= PAGE) return this.#readAt(first, bytes);
    const second = this.#reach((address & ~PAGE_MASK) + BigInt(PAGE), access, false);
    let value = 0n;
    for (let i = 0; i < bytes; i++) value |= this.#readAt(this.#split(address, i, [first, second]), 1) << BigInt(8 * i);
    return value;
  }

  write(width: AccessWidth, address: bigint, value: bigint, access: Access): void {
    const bytes = width / 8;
    const first = this.#reach(address, access, true);
    if (Number(address & PAGE_MASK) + bytes <= PAGE) return this.#writeAt(first, bytes, value);
    const second = this.#reach((address & ~PAGE_MASK) + BigInt(PAGE), access, true);
    for (let i = 0; i < bytes; i++) this.#writeAt(this.#split(address, i, [first, second]), 1, (value >> BigInt(8 * i)) & 0xffn);
  }

  probe(address: bigint, bytes: number, access: Access, write: boolean): void {
    this.#reach(address, access, write);
    if (Number(address & PAGE_MASK) + bytes > PAGE) this.#reach((address & ~PAGE_MASK) + BigInt(PAGE), access, write);
  }

  translate(address: bigint, access: Access, write: boolean): number {
    const at = this.#reach(address, access, write);
    const monitored = this.#o.s.monitored !== 0;
    if ((at & TRANSLATED.bus) !== 0n) return Number(at & ~TRANSLATED.bus) + (monitored ? BUS_SPACE : 0);
    const host = Number(at);
    // Physical addresses are the host's there, and guest-physical ones mean nothing to `readPhysical`.
    if (monitored) return host;
    return this.#o.machine.slots.gpaOf(host) ?? host;
  }

  readGuest(width: AccessWidth, gpa: number): bigint {
    const { s, exports } = this.#o;
    const at = exports().eptWalk(s.base, BigInt(gpa), BigInt(ACCESS.noLinear), 0n);
    if (at < 0n) throw this.#eptExit();
    return this.readPhysical(width, Number(at & 0x000fffffffffffffn));
  }

  #eptExit(): VmExit {
    this.#o.s.excPending = 0;
    return queuedExit(this.#o.s);
  }

  readPhysical(width: AccessWidth, pa: number): bigint {
    return this.#readAt(this.#physical(pa, PHYS.RAM | PHYS.ROM), width / 8);
  }

  writePhysical(width: AccessWidth, pa: number, value: bigint): void {
    this.#log(pa);
    this.#writeAt(this.#physical(pa, PHYS.RAM), width / 8, value);
  }

  /** Physical addresses that the bus table logs are those of the machine's map. */
  #log(pa: number): void {
    const { machine, s } = this.#o;
    if (pa >= PHYSICAL_END) return;
    const at = (s.busTable >>> 2) + Math.floor(pa / PAGE);
    const entry = machine.u32[at] as number;
    if ((entry & PHYS.LOG) === 0) return;
    Atomics.and(machine.i32, at, ~PHYS.LOG);
    machine.dirtyLog.mark((entry & 0xfffff000) >>> 0);
  }

  /** As the generated `translate` answers: a host address, or TRANSLATED.bus and the physical address. */
  #physical(pa: number, flags: number): bigint {
    if (pa >= BUS_SPACE) return TRANSLATED.bus | BigInt(pa - BUS_SPACE);
    const entry = pa < PHYSICAL_END ? (this.#o.machine.u32[(this.#o.s.busTable >>> 2) + Math.floor(pa / PAGE)] as number) : 0;
    if ((entry & flags) === 0) return TRANSLATED.bus | BigInt(pa);
    return BigInt(((entry & 0xfffff000) >>> 0) + (pa % PAGE));
  }

  #reach(address: bigint, access: Access, write: boolean): bigint {
    const { s } = this.#o;
    const bits = KIND[access] | (write ? ACCESS.write : 0) | ACCESS.uncached;
    const at = this.#o.exports().translate(s.base, address, BigInt(bits));
    if (at >= 0n) return at;
    if (s.excPending === PENDING_EXIT) throw this.#eptExit();
    s.excPending = 0;
    const fault = new GuestFault(s.excVector, s.excError, s.excVector === 14 ? { cr2: s.excAddress } : undefined);
    s.excCanonical = 0;
    throw fault;
  }

  #split(address: bigint, i: number, pages: readonly [bigint, bigint]): bigint {
    const left = PAGE - Number(address & PAGE_MASK);
    return i < left ? pages[0] + BigInt(i) : pages[1] + BigInt(i - left);
  }

  #readAt(at: bigint, bytes: number): bigint {
    const { machine, host, index } = this.#o;
    if ((at & TRANSLATED.bus) !== 0n) {
      const pa = Number(at & ~TRANSLATED.bus);
      if (bytes === 8) return BigInt(host.mmioRead(index, pa, 4) >>> 0) | (BigInt(host.mmioRead(index, pa + 4, 4) >>> 0) << 32n);
      return BigInt(host.mmioRead(index, pa, bytes as 1 | 2 | 4) >>> 0);
    }
    const address = Number(at);
    if (bytes === 8) return machine.dv.getBigUint64(address, true);
    if (bytes === 4) return BigInt(machine.dv.getUint32(address, true));
    return BigInt(bytes === 2 ? machine.dv.getUint16(address, true) : machine.dv.getUint8(address));
  }

  #writeAt(at: bigint, bytes: number, value: bigint): void {
    const { machine, host, index, s } = this.#o;
    if ((at & TRANSLATED.bus) !== 0n) {
      const pa = Number(at & ~TRANSLATED.bus);
      if (bytes === 8) {
        host.mmioWrite(index, pa, 4, Number(value & 0xffffffffn));
        host.mmioWrite(index, pa + 4, 4, Number(value >> 32n));
      } else host.mmioWrite(index, pa, bytes as 1 | 2 | 4, Number(value));
      return;
    }
    const address = Number(at);
    if (bytes === 8) machine.dv.setBigUint64(address, value, true);
    else if (bytes === 4) machine.dv.setUint32(address, Number(value), true);
    else if (bytes === 2) machine.dv.setUint16(address, Number(value), true);
    else machine.dv.setUint8(address, Number(value));
    this.#o.exports().noteCodeWrite(s.base, address, bytes);
  }
}
