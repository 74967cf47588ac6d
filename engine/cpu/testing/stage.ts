/**
 * A small world for instruction tests that user-mode vectors cannot judge: any mode and privilege, flat segments, identity-mapped
 * memory, and handlers of HLT for every vector, so that a fault shows as the place where the processor halts.
 */
import { assemble } from '../../isa/assemble.ts';
import { readFlags, writeFlags } from '../flags.ts';
import { GENERAL_REGISTERS } from '../state.ts';
import { type Tier, type TierCpu, tiers } from './tiers.ts';

export type StageMode = 'real' | 'vm86' | 'code16' | 'code32' | 'long';

/** Guest-physical placement; linear is the same in every mode. */
export const AT = {
  tables: 0x1000,
  gdt: 0x6000,
  tss: 0x6800,
  idt: 0x7000,
  handlers: 0x9000,
  stack0: 0xf000,
  code: 0x10000,
  data: 0x20000,
  stack: 0x30000,
};
export const SEL = {
  code0: 0x08,
  data0: 0x10,
  code3: 0x1b,
  data3: 0x23,
  code0_32: 0x28,
  code3_32: 0x33,
  code16: 0x38,
  data16: 0x40,
  tss: 0x48,
};

export type RegisterValues = { [K in (typeof GENERAL_REGISTERS)[number]]?: number | bigint };

export interface StageResult extends Record<(typeof GENERAL_REGISTERS)[number], bigint> {
  /** Vector of the fault and its error code, when one was delivered. */
  readonly fault: number | undefined;
  readonly error: number | undefined;
  readonly flags: number;
  /** RIP after the instruction; of the faulting instruction after a fault. */
  readonly rip: bigint;
}

const descriptor = (base: number, limit: number, attr: number): bigint =>
  BigInt(limit & 0xffff) |
  (BigInt(base & 0xffffff) << 16n) |
  (BigInt((attr & 0xff) | (attr & 0xf000)) << 40n) |
  (BigInt((limit >> 16) & 15) << 48n) |
  (BigInt(base >>> 24) << 56n);

export class Stage {
  readonly cpu: TierCpu;
  readonly mode: StageMode;
  readonly #cpl: number;

  constructor(tier: Tier, mode: StageMode, cpl: 0 | 3 = mode === 'vm86' ? 3 : 0) {
    this.cpu = tier.create();
    this.mode = mode;
    this.#cpl = cpl;
    this.#tables();
    this.#registers();
    this.cpu.changed();
  }

  get s() {
    return this.cpu.s;
  }

  write(at: number, ...values: readonly bigint[]): void {
    const bytes = new Uint8Array(values.length * 8);
    const view = new DataView(bytes.buffer);
    for (const [i, value] of values.entries()) view.setBigUint64(i * 8, BigInt.asUintN(64, value), true);
    this.cpu.machine.dma.write(at, bytes);
  }

  read(at: number, bits: 8 | 16 | 32 | 64): bigint {
    const view = new DataView(this.cpu.machine.dma.read(at, 8).slice().buffer);
    return BigInt.asUintN(bits, view.getBigUint64(0, true));
  }

  #tables(): void {
    const { tables } = AT;
    this.write(tables, BigInt(tables + 0x1000) | 7n);
    this.write(tables + 0x1000, BigInt(tables + 0x2000) | 7n);
    this.write(tables + 0x2000, 0x87n, 0x200087n);
    const flat = 0xfffff;
    const entries: [number, bigint][] = [
      [SEL.code0, descriptor(0, flat, 0xa09b)],
      [SEL.data0, descriptor(0, flat, 0xc093)],
      [SEL.code3, descriptor(0, flat, 0xa0fb)],
      [SEL.data3, descriptor(0, flat, 0xc0f3)],
      [SEL.code0_32, descriptor(0, flat, 0xc09b)],
      [SEL.code3_32, descriptor(0, flat, 0xc0fb)],
      [SEL.code16, descriptor(0, 0xffff, 0x009b)],
      [SEL.data16, descriptor(0, 0xffff, 0x0093)],
      [SEL.tss, descriptor(AT.tss, 0x7f, 0x008b)],
    ];
    for (const [selector, value] of entries) this.write(AT.gdt + (selector & ~7), value);
    const long = this.mode === 'long';
    if (long) this.write(AT.tss + 4, BigInt(AT.stack0));
    else this.write(AT.tss + 4, BigInt(AT.stack0) | (BigInt(SEL.data0) << 32n));
    this.write(AT.tss + 0x60, 0xffffn << 48n); // no I/O permission bitmap
    for (let vector = 0; vector < 256; vector++) {
      const handler = AT.handlers + vector * 16;
      this.cpu.machine.dma.write(handler, Uint8Array.of(0xf4));
      const low = BigInt(handler & 0xffff) | (BigInt(long ? SEL.code0 : SEL.code0_32) << 16n) | (0xee00n << 32n);
      if (long) this.write(AT.idt + vector * 16, low, 0n);
      else if (this.mode !== 'real') this.write(AT.idt + vector * 8, low);
      else
        this.cpu.machine.dma.write(
          vector * 4,
          Uint8Array.of((vector * 16) & 0xff, vector >> 4, (AT.handlers >> 4) & 0xff, AT.handlers >> 12),
        );
    }
  }

  #registers(): void {
    const { s, mode } = this;
    const long = mode === 'long';
    s.gdtrBase = BigInt(AT.gdt);
    s.gdtrLimit = 0xff;
    s.idtrBase = mode === 'real' ? 0n : BigInt(AT.idt);
    s.idtrLimit = 0xfff;
    s.trSelector = SEL.tss;
    s.trBase = BigInt(AT.tss);
    s.trLimit = 0x7f;
    s.trAttr = 0x8b;
    s.cr0 = mode === 'real' ? 0x10n : long ? 0x80050033n : 0x50033n;
    s.cr3 = BigInt(AT.tables);
    s.cr4 = long ? 0x10620n : 0n;
    s.efer = long ? 0xd01n : 0n;
    this.#segments(['es', 'cs', 'ss', 'ds', 'fs', 'gs']);
  }

  /** Segments and privilege as `mode` and `cpl` have them. */
  #segments(names: readonly ('es' | 'cs' | 'ss' | 'ds' | 'fs' | 'gs')[]): void {
    const { s, mode } = this;
    const dpl = this.#cpl << 5;
    const paragraph = mode === 'real' || mode === 'vm86';
    const big = mode === 'long' || mode === 'code32';
    const dataAttr = (big ? 0xc093 : 0x93) | dpl;
    const set = (name: 'es' | 'cs' | 'ss' | 'ds' | 'fs' | 'gs', selector: number, base: number, attr: number): void => {
      s[`${name}Selector`] = paragraph ? base >> 4 : selector;
      s[`${name}Base`] = BigInt(base);
      s[`${name}Limit`] = big ? 0xffffffff : 0xffff;
      s[`${name}Attr`] = attr;
    };
    const code =
      mode === 'long' ? (dpl ? SEL.code3 : SEL.code0) : mode === 'code32' ? (dpl ? SEL.code3_32 : SEL.code0_32) : SEL.code16;
    const data = big ? (dpl ? SEL.data3 : SEL.data0) : SEL.data16;
    set(
      'cs',
      code,
      big ? 0 : AT.code,
      (mode === 'long' ? 0xa09b : mode === 'code32' ? 0xc09b : paragraph ? 0x93 | 8 : 0x9b) | dpl,
    );
    for (const name of names) if (name !== 'cs' && name !== 'ss') set(name, data, big ? 0 : AT.data, dataAttr);
    set('ss', data, big ? 0 : AT.stack - 0x8000, dataAttr);
    s.cpl = this.#cpl;
  }

  /** Offset of the code in CS. */
  get codeOffset(): number {
    return this.mode === 'long' || this.mode === 'code32' ? AT.code : 0;
  }

  /** Address of a data offset and a stack offset as instructions must name them. */
  get dataOffset(): number {
    return this.mode === 'long' || this.mode === 'code32' ? AT.data : 0;
  }
  get stackOffset(): number {
    return this.mode === 'long' || this.mode === 'code32' ? AT.stack : 0x8000;
  }

  /** Run `steps` instructions of `text` from these registers, one by one or `together`; rSP defaults to the stack's top. */
  run(
    text: string,
    registers: RegisterValues = {},
    options: { flags?: number; steps?: number; together?: boolean } = {},
  ): StageResult {
    const { s, cpu } = this;
    const code = this.mode === 'long' ? 64 : this.mode === 'code32' ? 32 : 16;
    cpu.machine.dma.write(AT.code, assemble(text, { code, origin: BigInt(this.codeOffset) }).bytes);
    const all: RegisterValues = { rsp: this.stackOffset, ...registers };
    for (const [i, name] of GENERAL_REGISTERS.entries()) s.gpr[i] = BigInt.asUintN(64, BigInt(all[name] ?? 0));
    this.#segments(['cs', 'ss']);
    s.rip = BigInt(this.codeOffset);
    writeFlags(s, 2 | (this.mode === 'vm86' ? 0x20000 : 0) | (options.flags ?? 0));
    s.shadow = 0;
    s.activity = 0;
    s.excPending = 0;
    cpu.modeChanged();
    const steps = options.steps ?? 1;
    if (options.together) cpu.run(steps);
    else {
      for (let step = 0; step < steps && !this.#faulted; step++) if (cpu.run(1).reason !== 'limit') break;
    }
    return this.#result();
  }

  get #faulted(): boolean {
    const linear = Number(this.s.csBase + this.s.rip);
    return linear >= AT.handlers && linear < AT.handlers + 0x1000;
  }

  #result(): StageResult {
    const { s } = this;
    const values = Object.fromEntries(GENERAL_REGISTERS.map((name, i) => [name, s.gpr[i] ?? 0n])) as Record<
      (typeof GENERAL_REGISTERS)[number],
      bigint
    >;
    if (!this.#faulted) return { ...values, fault: undefined, error: undefined, flags: readFlags(s), rip: s.rip };
    const vector = (Number(s.csBase + s.rip) - AT.handlers) >> 4;
    const size = this.mode === 'long' ? 8 : this.mode === 'real' ? 2 : 4;
    const bits = (size * 8) as 16 | 32 | 64;
    const stack = Number(s.ssBase + BigInt.asUintN(this.mode === 'real' ? 16 : 64, s.gpr[4] ?? 0n));
    const withError = this.mode !== 'real' && [8, 10, 11, 12, 13, 14, 17].includes(vector);
    const frame = stack + (withError ? size : 0);
    const inner = this.#cpl === 3 || this.mode === 'long';
    const rsp = inner ? this.read(frame + 3 * size, bits) : (s.gpr[4] ?? 0n) + BigInt(frame - stack + 3 * size);
    return {
      ...values,
      rsp,
      fault: vector,
      error: withError ? Number(this.read(stack, 32)) : undefined,
      flags: Number(this.read(frame + 2 * size, bits)),
      rip: this.read(frame, bits),
    };
  }
}

/** Every tier with its name, for describe.each. */
export const everyTier = tiers.map((tier) => [tier.name, tier] as const);
