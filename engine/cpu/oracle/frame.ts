/**
 * One instruction being executed by the oracle: the decoded operands, the memory, the slow routines, and where RIP goes next. It is
 * also the `SlowContext` those routines see.
 */
import type { Decoded } from '../../isa/decoded.ts';
import type { Operand } from '../../isa/emitter.ts';
import type { SlowName } from '../../isa/fields.ts';
import type { VariantOperand } from '../../isa/variants.ts';
import type { MachineMemory } from '../../memory/index.ts';
import type { CpuHost, LeaveReason, SlowContext, SlowRoutineBody, VcpuState } from '../context.ts';
import { GuestFault } from '../context.ts';
import type { CpuModel } from '../model/model.ts';
import { vcpuState } from '../state.ts';
import { CurrentVmcs } from '../vmx/current-vmcs.ts';
import { RULE_INDEX } from '../vmx/rule-index.ts';
import { OracleMemory } from './memory.ts';

/** Where an operand's value is. */
export type Binding =
  | { readonly at: 'register'; readonly number: number; readonly high: boolean }
  | { readonly at: 'memory'; readonly segment: number }
  | { readonly at: 'value'; readonly value: bigint };

/** First of the numbers by which the decoder names AH, CH, DH and BH. */
const HIGH_BYTE = 16;

export interface FrameOptions {
  readonly s: VcpuState;
  readonly machine: MachineMemory;
  readonly host: CpuHost;
  readonly model: CpuModel;
  readonly index: number;
  readonly routines: Readonly<Record<SlowName, SlowRoutineBody>>;
}

export class Frame implements SlowContext {
  readonly s: VcpuState;
  readonly memory: OracleMemory;
  readonly host: CpuHost;
  readonly features: CpuModel;
  readonly index: number;
  readonly vcpus: number;
  readonly vmcs: CurrentVmcs;
  readonly fprOffset = vcpuState.fields.fpr.offset;
  readonly #routines: FrameOptions['routines'];
  #decoded: Decoded | undefined;
  #ip = 0n;
  #next = 0n;
  #shadow: 0 | 1 | 2 = 0;
  #repeats = false;
  #steps = true;
  left: LeaveReason | undefined;

  constructor(options: FrameOptions) {
    this.s = options.s;
    this.host = options.host;
    this.features = options.model;
    this.index = options.index;
    this.vcpus = options.machine.vcpus;
    this.vmcs = new CurrentVmcs(options.s, RULE_INDEX);
    this.#routines = options.routines;
    this.memory = new OracleMemory({ ...options, gigabytePages: true });
  }

  /** Start an instruction at RIP; `undefined` between instructions. */
  begin(decoded: Decoded | undefined): void {
    this.#decoded = decoded;
    this.#ip = this.s.rip;
    this.#next = decoded === undefined ? this.s.rip : this.#advance();
    this.#shadow = 0;
    this.#repeats = false;
    this.#steps = true;
  }

  #advance(): bigint {
    return BigInt.asUintN(this.memory.longCode ? 64 : 32, this.s.rip + BigInt(this.instructionLength()));
  }

  get decoded(): Decoded {
    if (this.#decoded === undefined) throw new Error('no instruction is being executed');
    return this.#decoded;
  }

  // ---- SlowContext ----
  instructionLength(): number {
    return this.#decoded?.length ?? 0;
  }
  ip(): bigint {
    return this.#ip;
  }
  nextIp(): bigint {
    return this.#advance();
  }
  jumpTo(rip: bigint): void {
    this.#next = rip;
    if (this.#decoded === undefined) this.s.rip = rip;
  }
  flushTlb(): void {
    // The oracle has no TLB.
  }
  modeChanged(): void {
    // Everything derived is computed when it is asked for.
  }
  segmentChanged(): void {
    // As above.
  }
  leave(reason: LeaveReason): void {
    this.left = reason;
  }
  skipStep(): void {
    this.#steps = false;
  }
  tsc(): bigint {
    return BigInt.asUintN(64, BigInt(this.host.ticks(this.index)) + this.s.tscOffset);
  }

  // ---- for the emitter ----
  get target(): bigint {
    return this.#next;
  }
  get shadowAsked(): 0 | 1 | 2 {
    return this.#shadow;
  }
  /** Does a single-step trap follow where TF was set? */
  get steps(): boolean {
    return this.#steps;
  }
  get repeats(): boolean {
    return this.#repeats;
  }
  again(): void {
    this.#repeats = true;
    this.#next = this.#ip;
  }
  shadow(kind: 'sti' | 'movss'): void {
    this.#shadow = kind === 'sti' ? 1 : 2;
  }
  get stackWidth(): 16 | 32 | 64 {
    return this.decoded.facts.stackWidth;
  }
  get sourceSegment(): number {
    return this.decoded.segment;
  }

  checkTarget(target: bigint): void {
    if (this.memory.longCode) {
      if (BigInt.asUintN(64, BigInt.asIntN(48, target)) !== target) throw new GuestFault(13, 0);
    } else if (target > BigInt(this.s.csLimit)) throw new GuestFault(13, 0);
  }

  bindingOf(op: Operand): Binding {
    const { decoded } = this;
    const { spec, position } = op as VariantOperand;
    if (op.kind === 'mem') return { at: 'memory', segment: decoded.segment };
    if (op.kind === 'imm' || op.kind === 'rel' || op.kind === 'far') {
      if (spec.source === 'fixed') return { at: 'value', value: BigInt(spec.fixed) };
      const first = decoded.variant.operands.find((other) => other.spec.immediate !== 0);
      const value = (BigInt(decoded.immediateHigh) << 32n) | BigInt(decoded.immediate >>> 0);
      if (op.kind === 'rel') return { at: 'value', value };
      return {
        at: 'value',
        value: BigInt.asUintN(op.width === 0 ? 64 : op.width, first === op ? value : BigInt(decoded.immediate2)),
      };
    }
    const number = decoded.register(position);
    if (op.kind === 'reg' && number >= HIGH_BYTE) return { at: 'register', number: number - HIGH_BYTE, high: true };
    return { at: 'register', number, high: false };
  }

  /** Offset of the memory operand plus `extra`, truncated to the address size. */
  offsetOf(_binding: Binding & { at: 'memory' }, extra = 0n): bigint {
    const { decoded, s } = this;
    let offset = (BigInt(decoded.displacementHigh) << 32n) + BigInt(decoded.displacement >>> 0) + extra;
    if (decoded.base >= 0) offset += s.gpr[decoded.base] ?? 0n;
    if (decoded.index >= 0) offset += (s.gpr[decoded.index] ?? 0n) << BigInt(decoded.scale);
    if (decoded.ripRelative) offset += this.nextIp();
    return BigInt.asUintN(decoded.facts.addressWidth, offset);
  }

  readXmm(number: number): bigint {
    const { views, base } = this.s;
    const at = (base + vcpuState.fields.xmm.offset + number * 16) >>> 3;
    return ((views.u64[at + 1] ?? 0n) << 64n) | (views.u64[at] ?? 0n);
  }

  writeXmm(number: number, value: bigint): void {
    const { views, base } = this.s;
    const at = (base + vcpuState.fields.xmm.offset + number * 16) >>> 3;
    views.u64[at] = BigInt.asUintN(64, value);
    views.u64[at + 1] = value >> 64n;
  }

  /** An MMX register is the significand of an x87 register whose sign and exponent become all ones (SDM vol. 1, 9.6.2). */
  writeMmx(number: number, value: bigint): void {
    const { views, base } = this.s;
    const at = base + this.fprOffset + number * 16;
    views.u64[at >>> 3] = value;
    views.u16[(at + 8) >>> 1] = 0xffff;
  }

  slow(name: SlowName, args: readonly bigint[]): readonly bigint[] | undefined {
    const [a0 = 0n, a1 = 0n, a2 = 0n, a3 = 0n] = args;
    return this.#routines[name](this, a0, a1, a2, a3);
  }
}
