/**
 * A processor under random page tables. Code and the exception machinery sit behind entries that always work, everything else of the
 * linear space goes through tables of random entries; one access at a time is made there by a real instruction.
 */
import { FLAG, writeFlags } from '../flags.ts';
import { type WalkAccess, type WalkResult, type WalkState, walk } from '../oracle/walker.ts';
import type { Random } from './random.ts';
import type { TierCpu } from './tiers.ts';

export type PagingMode = '32-bit' | 'PAE' | '4-level';

/** Guest-physical: root, its fixed companions, frames of random tables, kernel page, code page, data. */
const ROOT = 0x1000;
const FIXED_TABLE = 0x2000;
const CODE_TABLE = 0x3000;
const PAE_DIRECTORY = 0x6000;
const LOW_DIRECTORIES = 0x4000;
const TABLES = 0x40000;
const TABLE_FRAMES = 24;
const KERNEL_FRAME = 0x80000;
const CODE_FRAME = 0x90000;
const DATA = 0x300000;
const DATA_BYTES = 0x100000;

/** Linear: the fixed part begins here in every mode (in 4-level paging in the upper half). */
const FIXED_LINEAR = 0xc0000000n;
const GDT = 0x0;
const TSS = 0x100;
const IDT = 0x200;
const HANDLER = 0x1800;
const STACK = 0x2f00;

/** Attributes in VMCS form: code of each width and flat data, by DPL. */
const codeAttr = (long: boolean, dpl: number): number => (long ? 0xa09b : 0xc09b) | (dpl << 5);
const dataAttr = (dpl: number): number => 0xc093 | (dpl << 5);

export interface PagedConfig {
  readonly mode: PagingMode;
  readonly user: boolean;
  readonly ac: boolean;
  readonly wp: boolean;
  readonly nx: boolean;
  readonly smep: boolean;
  readonly smap: boolean;
  readonly pse: boolean;
}

export function randomConfig(mode: PagingMode, random: Random): PagedConfig {
  const flag = (): boolean => random.chance(50);
  return { mode, user: flag(), ac: flag(), wp: flag(), nx: mode !== '32-bit' && flag(), smep: flag(), smap: flag(), pse: flag() };
}

const bits = (...flags: readonly [boolean, number][]): bigint =>
  flags.reduce((all, [set, bit]) => (set ? all | (1n << BigInt(bit)) : all), 0n);

export interface AccessOutcome {
  /** Error code and CR2 of a page fault, otherwise undefined. */
  readonly fault: { readonly errorCode: number; readonly cr2: bigint } | undefined;
  /** What a read delivered. */
  readonly value: number;
}

export class PagedMachine {
  readonly #cpu: TierCpu;
  readonly #config: PagedConfig;
  readonly #entryBytes: 4 | 8;

  constructor(cpu: TierCpu, config: PagedConfig, random: Random) {
    this.#cpu = cpu;
    this.#config = config;
    this.#entryBytes = config.mode === '32-bit' ? 4 : 8;
    this.#fillData();
    this.#randomTables(random);
    this.#fixedTables();
    this.#kernel();
    this.#registers();
  }

  #write(at: number, value: bigint, bytes: number): void {
    this.#cpu.machine.dma.write(
      at,
      Uint8Array.from({ length: bytes }, (_, i) => Number((value >> BigInt(i * 8)) & 0xffn)),
    );
  }

  /** Every dword of the data area is two NOPs and a number of its own. */
  #fillData(): void {
    const words = new Uint32Array(DATA_BYTES / 4);
    for (let i = 0; i < words.length; i++) words[i] = ((Math.imul(i, 0x9e3779b1) & 0xffff0000) | 0x9090) >>> 0;
    this.#cpu.machine.dma.write(DATA, new Uint8Array(words.buffer));
  }

  #randomEntry(random: Random): bigint {
    const flags =
      (random.chance(88) ? 1n : 0n) |
      (random.chance(70) ? 2n : 0n) |
      (random.chance(70) ? 4n : 0n) |
      (BigInt(random.below(16)) << 3n) |
      (random.chance(25) ? 0x80n : 0n) |
      (BigInt(random.below(16)) << 8n);
    const table = random.chance(55);
    const frame = table ? TABLES + random.below(TABLE_FRAMES) * 4096 : DATA + random.below(DATA_BYTES / 4096) * 4096;
    let address = BigInt(frame);
    if ((flags & 0x80n) !== 0n && random.chance(85)) address = random.chance(50) ? 0x200000n : 0n;
    if (random.chance(3)) address |= 1n << BigInt(12 + random.below(this.#entryBytes === 4 ? 20 : 40));
    if (this.#entryBytes === 4) return (flags | address) & 0xffffffffn;
    const execute = random.chance(this.#config.nx ? 30 : 5) ? 1n << 63n : 0n;
    const available = random.chance(this.#config.mode === 'PAE' ? 3 : 30) ? BigInt(random.below(2048)) << 52n : 0n;
    return flags | address | execute | available;
  }

  #randomTables(random: Random): void {
    const each = 4096 / this.#entryBytes;
    for (const table of [ROOT, LOW_DIRECTORIES, ...Array.from({ length: TABLE_FRAMES }, (_, i) => TABLES + i * 4096)]) {
      const view = new DataView(new ArrayBuffer(4096));
      for (let i = 0; i < each; i++) {
        let entry = this.#randomEntry(random);
        // The root mostly leads on, so that walks get deep.
        if (table === ROOT && random.chance(90))
          entry = (entry & 0x78n) | BigInt(TABLES + random.below(TABLE_FRAMES) * 4096) | 7n;
        if (this.#entryBytes === 4) view.setUint32(i * 4, Number(entry & 0xffffffffn), true);
        else view.setBigUint64(i * 8, entry, true);
      }
      this.#cpu.machine.dma.write(table, new Uint8Array(view.buffer));
    }
  }

  /** The linear address of the fixed part. */
  get #fixed(): bigint {
    return this.#config.mode === '4-level' ? 0xffff_8000_0000_0000n + FIXED_LINEAR : FIXED_LINEAR;
  }

  /** Entries with A and D set, so that only the access under test changes tables. */
  #fixedTables(): void {
    const { mode, user } = this.#config;
    const through = 0x67n;
    if (mode === '32-bit') this.#write(ROOT + Number(FIXED_LINEAR >> 22n) * 4, BigInt(FIXED_TABLE) | through, 4);
    else {
      const directory = mode === 'PAE' ? PAE_DIRECTORY : CODE_TABLE;
      this.#write(directory + Number((FIXED_LINEAR >> 21n) & 511n) * 8, BigInt(FIXED_TABLE) | through, 8);
      if (mode === '4-level') {
        this.#write(ROOT + 256 * 8, BigInt(PAE_DIRECTORY) | through, 8);
        this.#write(PAE_DIRECTORY + 3 * 8, BigInt(CODE_TABLE) | through, 8);
      }
    }
    for (let page = 0; page < 4; page++) {
      this.#write(FIXED_TABLE + page * this.#entryBytes, BigInt(KERNEL_FRAME + page * 4096) | 0x63n, this.#entryBytes);
    }
    this.#write(FIXED_TABLE + 8 * this.#entryBytes, BigInt(CODE_FRAME) | (user ? 0x67n : 0x63n), this.#entryBytes);
  }

  #descriptor(attr: number): bigint {
    return 0xffffn | (BigInt((attr & 0xff) | (attr & 0xf000)) << 40n) | (15n << 48n);
  }

  #kernel(): void {
    const long = this.#config.mode === '4-level';
    const handler = this.#fixed + BigInt(HANDLER);
    [0, codeAttr(long, 0), dataAttr(0), codeAttr(long, 3), dataAttr(3)].forEach((attr, i) => {
      if (attr !== 0) this.#write(KERNEL_FRAME + GDT + i * 8, this.#descriptor(attr), 8);
    });
    for (let vector = 0; vector < 32; vector++) {
      const target = handler + BigInt(vector * 16);
      const gate = (target & 0xffffn) | (8n << 16n) | (0x8e00n << 32n) | (((target >> 16n) & 0xffffn) << 48n);
      const at = KERNEL_FRAME + IDT + vector * (long ? 16 : 8);
      this.#write(at, gate, 8);
      if (long) this.#write(at + 8, target >> 32n, 8);
      this.#write(KERNEL_FRAME + HANDLER + vector * 16, 0xf4n, 1);
    }
    const stack = this.#fixed + BigInt(STACK);
    if (long) this.#write(KERNEL_FRAME + TSS + 4, stack, 8);
    else this.#write(KERNEL_FRAME + TSS + 4, stack | (0x10n << 32n), 8);
  }

  #registers(): void {
    const { s } = this.#cpu;
    const { mode, wp, nx, smep, smap, pse } = this.#config;
    const long = mode === '4-level';
    s.cr0 = 0x80000031n | bits([wp, 16]);
    s.cr4 = bits([pse, 4], [mode !== '32-bit', 5], [smep, 20], [smap, 21]);
    s.efer = bits([long, 8], [long, 10], [nx, 11]);
    s.cr3 = BigInt(ROOT);
    if (mode === 'PAE') {
      const directories = [LOW_DIRECTORIES | 1, TABLES | 1, 0, PAE_DIRECTORY | 1];
      directories.forEach((entry, i) => {
        s.pdpte[i] = BigInt(entry);
      });
    }
    s.gdtrBase = this.#fixed + BigInt(GDT);
    s.gdtrLimit = 39;
    s.idtrBase = this.#fixed + BigInt(IDT);
    s.idtrLimit = 32 * (long ? 16 : 8) - 1;
    s.trSelector = 0x28;
    s.trBase = this.#fixed + BigInt(TSS);
    s.trLimit = 0x67;
    s.trAttr = 0x8b;
  }

  get walkState(): WalkState {
    const { s } = this.#cpu;
    const { cr0, cr3, cr4, efer } = s;
    return { cr0, cr3, cr4, efer, pdptes: [...s.pdpte], physicalBits: s.physicalBits, gigabytePages: true };
  }

  /** A linear address in the random part; its low bits reach the data area through pages of any size. */
  randomAddress(random: Random): bigint {
    const low = BigInt(DATA + random.below(DATA_BYTES / 4) * 4);
    if (this.#config.mode !== '4-level') return low | (BigInt(random.below(512)) << 22n);
    const directory = random.chance(60) ? 0n : BigInt(random.below(256)) << 22n;
    return low | directory | (BigInt(random.below(64)) << 30n) | (BigInt(random.below(256)) << 39n);
  }

  /** The naive walk, its writes kept apart from guest memory: what should happen, and the tables afterwards. */
  expected(linear: bigint, kind: WalkAccess['kind']): { result: WalkResult; tables: Uint8Array } {
    const { dma } = this.#cpu.machine;
    const tables = this.tables();
    const view = new DataView(tables.buffer);
    const { user, ac } = this.#config;
    const result = walk(
      this.walkState,
      linear,
      { kind, privilege: user ? 'user' : 'supervisor', ac },
      {
        read: (width, address) => {
          const bytes = new DataView(dma.read(Number(address), width / 8).buffer);
          return width === 64 ? bytes.getBigUint64(0, true) : BigInt(bytes.getUint32(0, true));
        },
        write: (width, address, value) => {
          const at = Number(address) - ROOT;
          if (at < 0 || at + 8 > tables.length) return;
          if (width === 64) view.setBigUint64(at, value, true);
          else view.setUint32(at, Number(value), true);
        },
      },
    );
    return { result, tables };
  }

  tables(): Uint8Array {
    return this.#cpu.machine.dma.read(ROOT, TABLES + TABLE_FRAMES * 4096 - ROOT);
  }

  /** Forget all translations, as after a change of the tables. */
  flush(): void {
    this.#cpu.changed();
  }

  /** Make one access with a real instruction: MOV EAX,[rBX]; MOV [rBX],EAX; JMP rBX. */
  access(linear: bigint, kind: WalkAccess['kind'], value = 0): AccessOutcome {
    const { s, machine } = this.#cpu;
    const { mode, user, ac } = this.#config;
    const long = mode === '4-level';
    const code = { read: [0x8b, 0x03], write: [0x89, 0x03], fetch: [0xff, 0xe3] }[kind];
    machine.dma.write(CODE_FRAME, Uint8Array.from([...code, 0x90]));
    const level = user ? 3 : 0;
    s.cpl = level;
    s.csSelector = user ? 0x1b : 8;
    s.csBase = 0n;
    s.csLimit = 0xffffffff;
    s.csAttr = codeAttr(long, level);
    for (const name of ['es', 'ss', 'ds', 'fs', 'gs'] as const) {
      s[`${name}Selector`] = user ? 0x23 : 0x10;
      s[`${name}Base`] = 0n;
      s[`${name}Limit`] = 0xffffffff;
      s[`${name}Attr`] = dataAttr(level);
    }
    s.rip = this.#fixed + 0x8000n;
    s.gpr[0] = BigInt(value);
    s.gpr[3] = linear;
    s.gpr[4] = this.#fixed + BigInt(STACK);
    s.cr2 = 0n;
    s.activity = 0;
    writeFlags(s, ac ? FLAG.AC : 0);
    this.#cpu.modeChanged();
    this.#cpu.run(kind === 'fetch' ? 2 : 1);
    return { fault: this.#fault(), value: Number(BigInt.asUintN(32, s.gpr[0] ?? 0n)) };
  }

  #fault(): AccessOutcome['fault'] {
    const { s, machine } = this.#cpu;
    const handler = this.#fixed + BigInt(HANDLER);
    if (s.rip < handler || s.rip >= handler + 512n) return undefined;
    const vector = Number(s.rip - handler) >> 4;
    if (vector !== 14) return undefined;
    const stack = Number((s.gpr[4] ?? 0n) - this.#fixed) + KERNEL_FRAME;
    const errorCode = new DataView(machine.dma.read(stack, 4).buffer).getUint32(0, true);
    return { errorCode, cr2: s.cr2 };
  }
}
