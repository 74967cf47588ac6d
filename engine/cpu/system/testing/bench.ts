/**
 * A processor without instructions, for tests of the system part: real state block, identity-mapped memory with pages that can be taken
 * away, and builders for descriptor tables. Routines run as the interpreter runs them: faults are delivered, RIP moves on.
 */
import {
  type Access,
  type AccessWidth,
  type CpuHost,
  GuestFault,
  type LeaveReason,
  type LinearMemory,
  type SlowContext,
  type VcpuState,
} from '../../context.ts';
import { readFlags, writeFlags } from '../../flags.ts';
import type { CpuModel } from '../../model/model.ts';
import { cpuModel } from '../../model/models.ts';
import { vcpuState } from '../../state.ts';
import { CurrentVmcs } from '../../vmx/current-vmcs.ts';
import { RULE_INDEX } from '../../vmx/rule-index.ts';
import { deliverEvent, faultEvent } from '../events.ts';
import { resetVcpu } from '../reset.ts';

const CLOCKS = { tscHz: 2_000_000_000, apicHz: 1_000_000_000 };
const RAM = 0x100000;

/** Guest memory: linear = physical, 1 MiB, wrapping; pages in `absent` fault. */
class FlatMemory implements LinearMemory {
  readonly bytes = new Uint8Array(RAM);
  readonly view = new DataView(this.bytes.buffer);
  readonly absent = new Set<number>();

  #check(address: bigint, bytes: number, access: Access, write: boolean): number {
    for (let i = 0; i < bytes; i++) {
      const linear = address + BigInt(i);
      if (this.absent.has(Number(linear & 0xffffffffn) >>> 12)) {
        throw new GuestFault(14, (write ? 2 : 0) | (access === 'user' ? 4 : 0), { cr2: linear });
      }
    }
    return Number(address & BigInt(RAM - 1));
  }

  read(width: AccessWidth, address: bigint, access: Access): bigint {
    const at = this.#check(address, width / 8, access, false);
    return this.readPhysical(width, at);
  }

  write(width: AccessWidth, address: bigint, value: bigint, access: Access): void {
    const at = this.#check(address, width / 8, access, true);
    this.writePhysical(width, at, value);
  }

  probe(address: bigint, bytes: number, access: Access, write: boolean): void {
    this.#check(address, bytes, access, write);
  }

  translate(address: bigint, access: Access, write: boolean): number {
    return this.#check(address, 1, access, write);
  }

  readPhysical(width: AccessWidth, pa: number): bigint {
    let value = 0n;
    for (let i = width / 8 - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.bytes[(pa + i) % RAM] as number);
    return value;
  }

  writePhysical(width: AccessWidth, pa: number, value: bigint): void {
    for (let i = 0; i < width / 8; i++) this.bytes[(pa + i) % RAM] = Number((value >> BigInt(8 * i)) & 0xffn);
  }

  words(address: number, count: number, bytes: 2 | 4 | 8): number[] {
    return Array.from({ length: count }, (_, i) => Number(this.readPhysical((bytes * 8) as AccessWidth, address + i * bytes)));
  }
}

export const GDT = 0x1000;
export const LDT = 0x1800;
export const IDT = 0x2000;
export const TSS = 0x4000;
export const STACK0 = 0x9000;
export const STACK3 = 0xb000;

/** Selectors of the standard table (`standard`). */
export const SEL = {
  code0: 0x08,
  data0: 0x10,
  code3: 0x1b,
  data3: 0x23,
  conforming0: 0x28,
  code16: 0x30,
  data16: 0x38,
  code64: 0x40,
  tss: 0x48,
  gate: 0x58,
  ldt: 0x68,
  code64user: 0x7b,
  spare: 0x80,
  tss2: 0x90,
} as const;

export interface SegmentSource {
  readonly base?: number;
  readonly limit?: number;
  readonly type: number;
  readonly dpl?: number;
  readonly present?: boolean;
  readonly big?: boolean;
  readonly long?: boolean;
  readonly pages?: boolean;
}

export class Bench implements SlowContext {
  readonly s: VcpuState;
  readonly memory: FlatMemory;
  readonly features: CpuModel;
  readonly index = 0;
  readonly vcpus = 2;
  readonly vmcs: CurrentVmcs;
  readonly left: LeaveReason[] = [];
  readonly flushes: string[] = [];
  readonly ports: [port: number, size: number, value: number][] = [];
  stepsSkipped = 0;
  tpr = 0;
  time = 1000n;
  pending = false;
  readonly hostMsrs = new Map<number, bigint>([[0x1b, 0xfee00900n]]);
  readonly host: CpuHost;
  #length = 2;
  #jumped = false;

  /** `before`: take over the memories of a bench that is not used any more; what tests use of them is cleared. */
  constructor(model = 'x86-64-v2', before?: Bench) {
    this.s = before?.s ?? vcpuState.bind(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }), 0);
    this.memory = before?.memory ?? new FlatMemory();
    this.memory.bytes.fill(0, 0, 0x10000);
    this.memory.absent.clear();
    this.features = cpuModel(model, CLOCKS) as CpuModel;
    resetVcpu(this.s, this.features, 0);
    this.vmcs = new CurrentVmcs(this.s, RULE_INDEX);
    this.host = {
      mmioRead: () => 0xffffffff,
      mmioWrite: () => {},
      portRead: (_vcpu, port, size) => {
        this.ports.push([port, size, -1]);
        return 0x5a;
      },
      portWrite: (_vcpu, port, size, value) => {
        this.ports.push([port, size, value]);
      },
      acknowledgeInterrupt: () => -1,
      interruptPending: () => this.pending,
      readMsr: (_vcpu, index) => this.hostMsrs.get(index),
      writeMsr: (_vcpu, index, value) => {
        if (!this.hostMsrs.has(index)) return undefined;
        this.hostMsrs.set(index, value);
        return true;
      },
      getTpr: () => this.tpr,
      setTpr: (_vcpu, value) => {
        this.tpr = value;
      },
      ticks: () => Number(this.time),
    };
  }

  instructionLength(): number {
    return this.#length;
  }
  ip(): bigint {
    return this.s.rip;
  }
  nextIp(): bigint {
    return BigInt.asUintN(
      (this.s.efer & 0x400n) !== 0n && (this.s.csAttr & 0x2000) !== 0 ? 64 : 32,
      this.s.rip + BigInt(this.#length),
    );
  }
  jumpTo(rip: bigint): void {
    this.s.rip = rip;
    this.#jumped = true;
  }
  flushTlb(kind: string, value?: bigint, pcid?: number): void {
    this.flushes.push([kind, value, pcid].filter((part) => part !== undefined).join(' '));
  }
  skipStep(): void {
    this.stepsSkipped++;
  }
  modeChanged(): void {}
  segmentChanged(): void {}
  leave(reason: LeaveReason): void {
    this.left.push(reason);
  }
  tsc(): bigint {
    return BigInt.asUintN(64, BigInt(this.host.ticks(0)) + this.s.tscOffset);
  }

  /** Run one routine as one instruction of `length` bytes. Returns the fault it raised (delivered already when `deliver`). */
  run(
    routine: (c: SlowContext) => unknown,
    options: { readonly deliver?: boolean; readonly length?: number } = {},
  ): GuestFault | undefined {
    this.#length = options.length ?? 2;
    this.#jumped = false;
    const next = this.nextIp();
    const start = this.s.rip;
    try {
      routine(this);
      if (!this.#jumped) this.s.rip = next;
      return undefined;
    } catch (fault) {
      if (!(fault instanceof GuestFault)) throw fault;
      if (!fault.late) this.s.rip = start;
      if (options.deliver === true) deliverEvent(this, faultEvent(fault));
      return fault;
    }
  }

  get flags(): number {
    return readFlags(this.s);
  }
  set flags(value: number) {
    writeFlags(this.s, value);
  }

  /** Write a code, data or system descriptor. */
  descriptor(selector: number, d: SegmentSource, table = (selector & 4) === 0 ? GDT : LDT): void {
    const at = table + (selector & 0xfff8);
    const limit = d.limit ?? 0xfffff;
    const base = d.base ?? 0;
    const { view } = this.memory;
    const high = (d.type << 8) | ((d.dpl ?? 0) << 13) | (d.present === false ? 0 : 0x8000);
    const flags = (d.long === true ? 0x200000 : 0) | (d.big === true ? 0x400000 : 0) | (d.pages === true ? 0x800000 : 0);
    view.setUint32(at, (limit & 0xffff) | (base << 16), true);
    view.setUint32(at + 4, (base & 0xff000000) | flags | (limit & 0xf0000) | high | ((base >>> 16) & 0xff), true);
  }

  /** Write a gate at a linear address; `wide` for the 16-byte form of IA-32e mode. */
  gate(
    at: number,
    g: { type: number; selector: number; offset: bigint; dpl?: number; count?: number; present?: boolean; wide?: boolean },
  ): void {
    const { view } = this.memory;
    const low = Number(g.offset & 0xffffffffn);
    view.setUint32(at, (low & 0xffff) | (g.selector << 16), true);
    view.setUint32(
      at + 4,
      (low & 0xffff0000) | (g.present === false ? 0 : 0x8000) | ((g.dpl ?? 0) << 13) | (g.type << 8) | (g.count ?? 0),
      true,
    );
    if (g.wide === true) view.setBigUint64(at + 8, g.offset >> 32n, true);
  }

  /** Segment register from a descriptor in memory, without checks. */
  take(segment: 'cs' | 'ss' | 'ds' | 'es' | 'fs' | 'gs', selector: number): void {
    const { view } = this.memory;
    const at = ((selector & 4) === 0 ? GDT : LDT) + (selector & 0xfff8);
    const lo = view.getUint32(at, true);
    const hi = view.getUint32(at + 4, true);
    const raw = (lo & 0xffff) | (hi & 0xf0000);
    this.s[`${segment}Selector`] = selector;
    this.s[`${segment}Base`] = BigInt(((lo >>> 16) | ((hi & 0xff) << 16) | (hi & 0xff000000)) >>> 0);
    this.s[`${segment}Limit`] = (hi & 0x800000) === 0 ? raw : ((raw << 12) | 0xfff) >>> 0;
    this.s[`${segment}Attr`] = ((hi >>> 8) & 0xf0ff) | 1;
  }

  /** Protected mode (or 64-bit mode) with the standard tables, running at `cpl` on its own stack at RIP 0x5000. */
  standard(cpl: 0 | 3, mode: 'protected' | 'long' = 'protected'): this {
    const { s } = this;
    const long = mode === 'long';
    this.descriptor(SEL.code0, { type: 0x1b, big: true, pages: true });
    this.descriptor(SEL.data0, { type: 0x13, big: true, pages: true });
    this.descriptor(SEL.code3, { type: 0x1b, dpl: 3, big: true, pages: true });
    this.descriptor(SEL.data3, { type: 0x13, dpl: 3, big: true, pages: true });
    this.descriptor(SEL.conforming0, { type: 0x1f, big: true, pages: true });
    this.descriptor(SEL.code16, { type: 0x1b, limit: 0xffff });
    this.descriptor(SEL.data16, { type: 0x13, limit: 0xffff });
    this.descriptor(SEL.code64, { type: 0x1b, long: true, pages: true });
    this.descriptor(SEL.code64user, { type: 0x1b, dpl: 3, long: true, pages: true });
    this.descriptor(SEL.tss, { base: TSS, limit: 0x2067, type: long ? 0x0b : 0x0b });
    this.descriptor(SEL.ldt, { base: LDT, limit: 0xff, type: 0x02 });
    s.gdtrBase = BigInt(GDT);
    s.gdtrLimit = 0xff;
    s.idtrBase = BigInt(IDT);
    s.idtrLimit = 0xfff;
    s.cr0 = long ? 0x80000031n : 0x31n;
    s.efer = long ? 0xd01n : 0n;
    s.cr4 = long ? 0x20n : 0n;
    s.trSelector = SEL.tss;
    s.trBase = BigInt(TSS);
    s.trLimit = 0x2067;
    s.trAttr = 0x8b;
    s.ldtrSelector = SEL.ldt;
    s.ldtrBase = BigInt(LDT);
    s.ldtrLimit = 0xff;
    s.ldtrAttr = 0x82;
    if (long) this.memory.view.setBigUint64(TSS + 4, BigInt(STACK0), true);
    else {
      this.memory.view.setUint32(TSS + 4, STACK0, true);
      this.memory.view.setUint16(TSS + 8, SEL.data0, true);
    }
    this.take('cs', long ? (cpl === 0 ? SEL.code64 : SEL.code64user) : cpl === 0 ? SEL.code0 : SEL.code3);
    for (const segment of ['ss', 'ds', 'es'] as const) this.take(segment, cpl === 0 ? SEL.data0 : SEL.data3);
    for (const segment of ['fs', 'gs'] as const) {
      s[`${segment}Selector`] = 0;
      s[`${segment}Attr`] = 0x10000;
    }
    s.cpl = cpl;
    s.rip = 0x5000n;
    s.gpr[4] = BigInt(cpl === 0 ? STACK0 : STACK3);
    this.flags = 0x202;
    return this;
  }

  /** Virtual-8086 mode at CS:IP 0x100:0x50, SS:SP 0x200:0x100. */
  vm86(iopl: number, cr4 = 0n): this {
    this.standard(3);
    const { s } = this;
    this.flags = 0x20202 | (iopl << 12);
    const selectors = { cs: 0x100, ss: 0x200, ds: 0x300, es: 0x400, fs: 0x500, gs: 0x600 } as const;
    for (const segment of ['cs', 'ss', 'ds', 'es', 'fs', 'gs'] as const) {
      s[`${segment}Selector`] = selectors[segment];
      s[`${segment}Base`] = BigInt(selectors[segment] << 4);
      s[`${segment}Limit`] = 0xffff;
      s[`${segment}Attr`] = 0xf3;
    }
    s.rip = 0x50n;
    s.gpr[4] = 0x100n;
    s.cr4 = cr4;
    return this;
  }
}
