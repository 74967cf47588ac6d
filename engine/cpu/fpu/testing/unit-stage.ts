/** An x87 unit without a processor around it, for tests: a state block, and memory that is a plain buffer. */
import { X87_FORMAT, type X87Op, x87Index } from '../../../isa/x87/ops.ts';
import type { LinearMemory, SlowContext } from '../../context.ts';
import { vcpuState } from '../../state.ts';
import { x87Routine } from '../x87/routine.ts';

/** An 80-bit register: significand, then sign and exponent. */
export type Register = readonly [significand: bigint, signExponent: number];

export class UnitStage {
  readonly s = vcpuState.bind(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }), 0);
  readonly bytes = new DataView(new ArrayBuffer(1024));
  readonly context: SlowContext;

  constructor() {
    vcpuState.reset(this.s);
    const { bytes } = this;
    const read = (width: number, at: bigint | number): bigint =>
      Array.from({ length: width / 8 }, (_, i) => bytes.getUint8(Number(at) + i)).reduceRight(
        (value, byte) => (value << 8n) | BigInt(byte),
        0n,
      );
    const write = (width: number, at: bigint | number, value: bigint): void => {
      for (let i = 0; i < width / 8; i++) bytes.setUint8(Number(at) + i, Number((value >> BigInt(i * 8)) & 0xffn));
    };
    const plain: Pick<LinearMemory, 'translate' | 'readPhysical' | 'writePhysical'> = {
      translate: (address) => Number(address),
      readPhysical: read,
      writePhysical: write,
    };
    const memory = { ...plain, read, write };
    const context: Partial<SlowContext> = { s: this.s, memory: memory as unknown as LinearMemory, ip: () => 0x1234n };
    this.context = { ...context, instructionLength: () => 0, host: {}, index: 0 } as unknown as SlowContext;
    this.initialize();
  }

  /** All registers empty, everything masked, 64 bits of precision, to nearest. */
  initialize(control = 0x37f): void {
    Object.assign(this.s, { fcw: control, fsw: 0, ftop: 0, ftag: 0 });
  }

  call(op: X87Op, a: bigint | number = 0, b: bigint | number = 0, c: bigint | number = 0): readonly bigint[] {
    return x87Routine(this.context, BigInt(x87Index(op)), BigInt(a), BigInt(b), BigInt(c));
  }

  /** Push registers so that the first becomes ST0. */
  push(...values: readonly Register[]): void {
    for (const [significand, signExponent] of [...values].reverse()) this.call('load80', significand, signExponent);
  }

  pushDouble(value: number): void {
    const view = new DataView(new ArrayBuffer(8));
    view.setFloat64(0, value);
    this.call('load', view.getBigUint64(0), X87_FORMAT.f64);
  }

  st(i: number): Register {
    const word = (this.s.fpr.byteOffset + ((this.s.ftop + i) & 7) * 16) >>> 3;
    const [significand = 0n, upper = 0n] = this.s.views.u64.subarray(word, word + 2);
    return [significand, Number(upper & 0xffffn)];
  }

  /** ST0 rounded to a double. */
  get top(): number {
    const kept = [this.s.fcw, this.s.fsw] as const;
    this.s.fcw = 0x37f;
    const [bits = 0n] = this.call('store', X87_FORMAT.f64, 0);
    [this.s.fcw, this.s.fsw] = kept;
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, bits);
    return view.getFloat64(0);
  }

  /** Exceptions, stack fault and condition codes of the status word. */
  get status(): number {
    return this.s.fsw;
  }
}
