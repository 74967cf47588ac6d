/**
 * The vectors' sandbox on a tier: long mode at CPL 3 with the recorder's addresses and selectors, page tables that map nothing else for
 * user mode, and an IDT whose handlers are HLT, so that a fault shows as the place where the processor halts.
 */
import { readFlags, writeFlags } from '../flags.ts';
import type { TierCpu } from './tiers.ts';
import { SANDBOX, SELECTORS, WINDOW_BYTES } from './vector-file.ts';

const KERNEL = 0xffff_8000_0000_0000n;
/** Guest-physical placement. */
const AT = {
  pml4: 0x1000,
  pdpt: 0x2000,
  pd: 0x3000,
  pt: 0x4000,
  kernelPdpt: 0x5000,
  kernelPd: 0x6000,
  code: 0x100000,
  data: 0x101000,
  kernel: 0x200000,
};
/** Offsets in the kernel's 2 MiB page. */
const IDT = 0x0000;
const GDT = 0x2000;
const LDT = 0x2800;
const TSS = 0x3000;
const HANDLERS = 0x4000;
const STACK_TOP = 0x8000;

/** How the decoder sees the three kinds of code. */
export const MODES = [
  { code: 64, stack: 64, kind: 'long' },
  { code: 32, stack: 32, kind: 'protected' },
  { code: 16, stack: 16, kind: 'protected' },
] as const;

/** Attributes in VMCS form: flat 64-, 32-bit code and data at DPL 3, 16-bit code and data. */
const CODE_ATTR = [0xa0fb, 0xc0fb, 0x00fb] as const;
const DATA_ATTR = [0xc0f3, 0xc0f3, 0x00f3] as const;

export interface SandboxState {
  readonly mode: 0 | 1 | 2;
  readonly code: Uint8Array;
  /** A repeated string instruction: executed to its end. */
  readonly repeat: boolean;
  readonly gpr: readonly bigint[];
  /** RFLAGS without bit 1; IF is set in any case. */
  readonly flags: number;
  /** First 416 bytes of an FXSAVE image. */
  readonly fx: Uint8Array;
  readonly window: Uint8Array;
}

export interface SandboxOutcome {
  /** 255: completed. */
  readonly vector: number;
  readonly error: number;
  readonly cr2: bigint;
  readonly rip: bigint;
  readonly flags: number;
  readonly gpr: readonly bigint[];
  readonly fx: Uint8Array;
  readonly window: Uint8Array;
}

function descriptor(base: number, limit: number, attr: number): bigint {
  const flags = BigInt((attr & 0xff) | ((attr >> 12) << 12)) << 40n;
  return (
    BigInt(limit & 0xffff) |
    (BigInt(base & 0xffffff) << 16n) |
    flags |
    (BigInt((limit >> 16) & 15) << 48n) |
    (BigInt(base >>> 24) << 56n)
  );
}

export class Sandbox {
  readonly #cpu: TierCpu;

  constructor(cpu: TierCpu) {
    this.#cpu = cpu;
    this.#buildTables();
    this.#enterLongMode();
    cpu.changed();
  }

  #write(at: number, value: bigint): void {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, value, true);
    this.#cpu.machine.dma.write(at, bytes);
  }

  #buildTables(): void {
    const user = 7n;
    this.#write(AT.pml4, BigInt(AT.pdpt) | user);
    this.#write(AT.pdpt, BigInt(AT.pd) | user);
    this.#write(AT.pd + (SANDBOX.code >>> 21) * 8, BigInt(AT.pt) | user);
    this.#write(AT.pt, BigInt(AT.code) | user);
    this.#write(AT.pt + ((SANDBOX.data >>> 12) & 511) * 8, BigInt(AT.data) | user);
    this.#write(AT.pml4 + 256 * 8, BigInt(AT.kernelPdpt) | 3n);
    this.#write(AT.kernelPdpt, BigInt(AT.kernelPd) | 3n);
    this.#write(AT.kernelPd, BigInt(AT.kernel) | 0x83n);
    for (let vector = 0; vector < 256; vector++) {
      const handler = KERNEL + BigInt(HANDLERS + vector * 16);
      const gate = IDT + AT.kernel + vector * 16;
      // Vectors 3 and 4 may be called by INT3 and INTO (DPL 3), as in the system of the recording machine.
      const dpl = vector === 3 || vector === 4 ? 0xee00n : 0x8e00n;
      this.#write(gate, (handler & 0xffffn) | (0x10n << 16n) | (dpl << 32n) | (((handler >> 16n) & 0xffffn) << 48n));
      this.#write(gate + 8, handler >> 32n);
      this.#cpu.machine.dma.write(AT.kernel + HANDLERS + vector * 16, Uint8Array.of(0xf4));
    }
    const gdt = AT.kernel + GDT;
    this.#write(gdt + 0x10, descriptor(0, 0xfffff, 0xa09b));
    this.#write(gdt + 0x18, descriptor(0, 0xfffff, 0xc093));
    this.#write(gdt + 0x20, descriptor(0, 0xfffff, CODE_ATTR[1]));
    this.#write(gdt + 0x28, descriptor(0, 0xfffff, DATA_ATTR[0]));
    this.#write(gdt + 0x30, descriptor(0, 0xfffff, CODE_ATTR[0]));
    this.#write(AT.kernel + LDT, descriptor(SANDBOX.code, 0xfff, CODE_ATTR[2]));
    this.#write(AT.kernel + LDT + 8, descriptor(SANDBOX.data, 0xfff, DATA_ATTR[2]));
    this.#write(AT.kernel + TSS + 4, KERNEL + BigInt(STACK_TOP));
    // No permission map for ports: its offset lies beyond the segment's limit.
    this.#write(AT.kernel + TSS + 0x60, 0xffffn << 48n);
  }

  #enterLongMode(): void {
    const { s } = this.#cpu;
    s.cr0 = 0x80050033n;
    s.cr3 = BigInt(AT.pml4);
    s.cr4 = 0x6a0n;
    s.efer = 0xd01n;
    s.gdtrBase = KERNEL + BigInt(GDT);
    s.gdtrLimit = 0x7f;
    s.idtrBase = KERNEL + BigInt(IDT);
    s.idtrLimit = 0xfff;
    s.ldtrSelector = 0x48;
    s.ldtrBase = KERNEL + BigInt(LDT);
    s.ldtrLimit = 15;
    s.ldtrAttr = 0x82;
    s.trSelector = 0x40;
    s.trBase = KERNEL + BigInt(TSS);
    s.trLimit = 0x67;
    s.trAttr = 0x8b;
  }

  #segments(mode: 0 | 1 | 2): void {
    const { s } = this.#cpu;
    const limit = mode === 2 ? 0xfff : 0xffffffff;
    s.csSelector = SELECTORS.code[mode];
    s.csBase = mode === 2 ? BigInt(SANDBOX.code) : 0n;
    s.csLimit = limit;
    s.csAttr = CODE_ATTR[mode];
    for (const name of ['es', 'ss', 'ds'] as const) {
      s[`${name}Selector`] = SELECTORS.data[mode];
      s[`${name}Base`] = mode === 2 ? BigInt(SANDBOX.data) : 0n;
      s[`${name}Limit`] = limit;
      s[`${name}Attr`] = DATA_ATTR[mode];
    }
    for (const name of ['fs', 'gs'] as const) {
      s[`${name}Selector`] = 0;
      s[`${name}Base`] = name === 'gs' ? BigInt(SANDBOX.gsBase) : 0n;
      s[`${name}Limit`] = 0;
      s[`${name}Attr`] = 0x10000;
    }
    s.cpl = 3;
  }

  #loadFx(fx: Uint8Array): void {
    const { s } = this.#cpu;
    const view = new DataView(fx.buffer, fx.byteOffset, fx.length);
    const status = view.getUint16(2, true);
    s.fcw = view.getUint16(0, true);
    s.ftop = (status >> 11) & 7;
    s.fsw = status & ~0x3800;
    s.ftag = fx[4] ?? 0;
    s.fop = 0;
    s.fip = 0n;
    s.fdp = 0n;
    s.fcs = 0;
    s.fds = 0;
    s.mxcsr = view.getUint32(24, true);
    for (let i = 0; i < 8; i++) {
      const slot = fx.subarray(32 + i * 16, 42 + i * 16);
      s.fpr.set(slot, ((s.ftop + i) & 7) * 16);
    }
    s.xmm.set(fx.subarray(160, 416));
  }

  #saveFx(before: Uint8Array): Uint8Array {
    const { s } = this.#cpu;
    const fx = before.slice();
    const view = new DataView(fx.buffer);
    view.setUint16(0, s.fcw, true);
    view.setUint16(2, s.fsw | (s.ftop << 11), true);
    fx[4] = s.ftag;
    view.setUint32(24, s.mxcsr, true);
    for (let i = 0; i < 8; i++) {
      const at = ((s.ftop + i) & 7) * 16;
      fx.set(s.fpr.subarray(at, at + 10), 32 + i * 16);
    }
    fx.set(s.xmm, 160);
    return fx;
  }

  /** Execute one instruction (a repeated one to its end) from this state. */
  execute(state: SandboxState): SandboxOutcome {
    const { s, machine } = this.#cpu;
    const codeFrame = new Uint8Array(32).fill(0xcc);
    codeFrame.set(state.code);
    machine.dma.write(AT.code + SANDBOX.entry - SANDBOX.code, codeFrame);
    machine.dma.write(AT.data + SANDBOX.window - SANDBOX.data, state.window);
    this.#segments(state.mode);
    state.gpr.forEach((value, i) => {
      s.gpr[i] = value;
    });
    const start = BigInt(state.mode === 2 ? SANDBOX.entry - SANDBOX.code : SANDBOX.entry);
    s.rip = start;
    writeFlags(s, state.flags | 0x202);
    this.#loadFx(state.fx);
    s.cr2 = 0n;
    s.shadow = 0;
    s.activity = 0;
    s.debugTraps = 0;
    s.excPending = 0;
    this.#cpu.modeChanged();
    const most = state.repeat ? 64 : 1;
    for (let runs = 0; runs < most && s.rip === start && s.cpl === 3; runs++) this.#cpu.run(1);
    const window = machine.dma.read(AT.data + SANDBOX.window - SANDBOX.data, WINDOW_BYTES);
    const fx = this.#saveFx(state.fx);
    const gpr = [...s.gpr];
    if (s.cpl === 3) return { vector: 255, error: 0, cr2: 0n, rip: s.rip, flags: readFlags(s), gpr, fx, window };
    return { ...this.#fault(gpr), fx, window };
  }

  /** What the handler finds on its stack. */
  #fault(gpr: bigint[]): Omit<SandboxOutcome, 'fx' | 'window'> {
    const { s, machine } = this.#cpu;
    const vector = Number(s.rip - KERNEL - BigInt(HANDLERS)) >> 4;
    const withError = [8, 10, 11, 12, 13, 14, 17].includes(vector);
    const frame = new DataView(machine.dma.read(AT.kernel + STACK_TOP - 48, 48).buffer);
    gpr[4] = frame.getBigUint64(32, true);
    return {
      vector,
      error: withError ? frame.getUint32(0, true) : 0,
      cr2: vector === 14 ? s.cr2 : 0n,
      rip: frame.getBigUint64(8, true),
      flags: frame.getUint32(24, true),
      gpr,
    };
  }
}
