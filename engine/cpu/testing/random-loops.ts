/**
 * Random programs of blocks, loops, calls and computed jumps in 64-bit or 32-bit code. Each backward branch counts down one register, so
 * that every program ends. Some fault after some turns, some rewrite an immediate of what they execute, some wander across pages whose
 * frames are no neighbours.
 */
import type { Random } from './random.ts';

export interface LoopProgram {
  readonly text: string;
  /** Initial values by register number. */
  readonly registers: readonly bigint[];
}

export interface LoopWorld {
  readonly code: 32 | 64;
  readonly cpl: 0 | 3;
  readonly data: number;
  readonly stack: number;
  /** Data lie across the end of a page and pointers to them move. The code is mapped once more this far up. */
  readonly scattered?: { readonly codeAlias: number };
}

const NAMES = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'] as const;
const FREE = [0, 1, 2] as const;
const CONDITIONS = ['o', 'no', 'b', 'ae', 'e', 'ne', 'be', 'a', 's', 'ns', 'p', 'np', 'l', 'ge', 'le', 'g'] as const;
const SHIFTS = ['shl', 'shr', 'sar', 'rol', 'ror', 'rcl', 'rcr'] as const;
const ALU = ['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor', 'cmp', 'test'] as const;
const PACKED = ['paddd', 'psubb', 'pxor', 'pand', 'pcmpeqd', 'pmuludq', 'punpcklbw', 'paddusw'] as const;
const DOUBLES = ['addsd', 'subsd', 'mulsd', 'divsd', 'addss', 'mulss', 'minsd', 'maxsd', 'addpd', 'mulps'] as const;
/** The loop counter, in both sizes of code: rBP counts, rBX is the data pointer, rSI and rDI wander through the data. */
const [BX, SP, BP, SI, DI] = [3, 4, 5, 6, 7];

class Writer {
  readonly #r: Random;
  readonly #w: LoopWorld;
  readonly #lines: string[] = [];
  #temporary = 0;

  constructor(random: Random, world: LoopWorld) {
    this.#r = random;
    this.#w = world;
  }

  #name(number: number, width: 8 | 16 | 32 | 64): string {
    const name = NAMES[number] as string;
    if (width === 8) return `${name[0]}l`;
    return width === 16 ? name : width === 32 ? `e${name}` : `r${name}`;
  }

  #width(): 8 | 16 | 32 | 64 {
    return this.#r.pick(this.#w.code === 64 ? ([8, 16, 32, 32, 64, 64] as const) : ([8, 16, 32, 32] as const));
  }

  get #natural(): 32 | 64 {
    return this.#w.code;
  }

  #free(width: 8 | 16 | 32 | 64): string {
    return this.#name(this.#r.pick(FREE), width);
  }

  #memory(width: 8 | 16 | 32 | 64 | 128): string {
    const size = { 8: 'byte', 16: 'word', 32: 'dword', 64: 'qword', 128: 'oword' }[width];
    const at = this.#r.below(200) & (width === 128 ? ~15 : ~0);
    const base = this.#name(width === 128 ? BX : this.#r.pick([BX, BX, SI, DI]), this.#natural);
    return `${width === 128 ? '' : `${size} `}[${base}+${at}]`;
  }

  #label(): string {
    return `t${this.#temporary++}`;
  }

  #line(text: string): void {
    this.#lines.push(text);
  }

  /** One or a few instructions that go on behind themselves. */
  body(): void {
    const r = this.#r;
    const width = this.#width();
    const wide = width === 8 ? 32 : width;
    const choices: (() => void)[] = [
      () => this.#line(`${r.pick(ALU)} ${this.#free(width)}, ${this.#free(width)}`),
      () => this.#line(`${r.pick(ALU)} ${this.#free(width)}, ${r.below(128)}`),
      () => this.#line(`${r.pick(ALU.slice(0, 8))} ${this.#free(width)}, ${this.#memory(width)}`),
      () => this.#line(`${r.pick(ALU.slice(0, 7))} ${this.#memory(width)}, ${this.#free(width)}`),
      () => this.#line(`mov ${this.#free(width)}, ${this.#memory(width)}`),
      () => this.#line(`mov ${this.#memory(width)}, ${this.#free(width)}`),
      () => this.#line(`${r.pick(['inc', 'dec', 'neg', 'not'])} ${this.#free(width)}`),
      () => this.#line(`${r.pick(SHIFTS)} ${this.#free(width)}, ${1 + r.below(33)}`),
      () => this.#line(`${r.pick(SHIFTS)} ${this.#free(width)}, cl`),
      () => this.#line(`imul ${this.#free(wide)}, ${this.#free(wide)}`),
      () => this.#line(`${r.pick(['mul', 'imul'])} ${this.#free(width)}`),
      () => this.#line(`xor edx, edx\nor ecx, 1\ndiv ${this.#name(1, r.chance(50) ? 32 : this.#natural)}`),
      () => this.#line(`lea ${this.#free(this.#natural)}, [${this.#name(0, this.#natural)}+${this.#name(2, this.#natural)}*4+7]`),
      () => this.#line(`movzx ${this.#free(32)}, ${this.#memory(r.pick([8, 16]))}`),
      () => this.#line(`set${r.pick(CONDITIONS)} ${this.#free(8)}`),
      () => this.#line(`cmov${r.pick(CONDITIONS)} ${this.#free(wide)}, ${this.#free(wide)}`),
      () => this.#line(`bt ${this.#free(wide)}, ${r.below(16)}`),
      () => this.#line(`${r.pick(PACKED)} xmm${r.below(4)}, ${r.chance(50) ? `xmm${r.below(4)}` : this.#memory(128)}`),
      () => this.#line(`${r.pick(DOUBLES)} xmm${r.below(4)}, xmm${r.below(4)}`),
      () => this.#line(`cvtsi2sd xmm${r.below(4)}, ${this.#free(32)}`),
      () => this.#line(`ucomisd xmm${r.below(4)}, xmm${r.below(4)}`),
      () =>
        this.#line(
          `fld qword [${this.#name(BX, this.#natural)}+${r.below(25) * 8}]\nfadd qword [${this.#name(BX, this.#natural)}]\nfstp qword [${this.#name(BX, this.#natural)}+${r.below(25) * 8}]`,
        ),
      () => this.#line(`push ${this.#free(this.#natural)}\npop ${this.#free(this.#natural)}`),
      () => this.#line(`${this.#w.code === 64 ? 'pushfq\npopfq' : 'pushfd\npopfd'}`),
      () => this.#line(`xadd ${this.#memory(32)}, ${this.#free(32)}`),
      () => this.#line(`lock add ${this.#memory(32)}, ${this.#free(32)}`),
      () => this.#line(r.pick(['cld', 'clc', 'stc', 'cmc', 'nop'])),
      () => this.#line(this.#w.cpl === 0 ? r.pick(['cli', 'sti', 'cli\nnop\nsti\nnop']) : 'nop'),
      () => this.#line(`${r.pick(['xchg', 'cmpxchg'])} ${this.#memory(wide)}, ${this.#free(wide)}`),
      () => this.#line(`${r.pick(['sqrtsd', 'cvtsd2ss', 'cvtps2pd', 'movups'])} xmm${r.below(4)}, xmm${r.below(4)}`),
      () => this.#line(`cvttsd2si ${this.#free(32)}, xmm${r.below(4)}`),
      () => this.#x87Store(),
      () => this.#rounding(),
      () => this.#string(),
      () => this.#forward(),
    ];
    if (this.#w.scattered !== undefined) choices.push(...this.#wanderings());
    r.pick(choices)();
  }

  /** Pointers move, mostly by what is no multiple of an access, and vectors lie anywhere. */
  #wanderings(): (() => void)[] {
    const r = this.#r;
    const vector = (): string => `[${this.#name(r.pick([BX, SI, DI]), this.#natural)}+${r.below(200)}]`;
    const step = (): void =>
      this.#line(`${r.pick(['add', 'sub'])} ${this.#name(r.pick([BX, SI, SI, DI, DI]), this.#natural)}, ${1 + r.below(40)}`);
    return [
      step,
      step,
      step,
      () => this.#line(`movdqu xmm${r.below(4)}, ${vector()}`),
      () => this.#line(`movdqu ${vector()}, xmm${r.below(4)}`),
      () => this.#line(`xor ${this.#name(r.pick([BX, SI, DI]), this.#natural)}, 0x1000`),
    ];
  }

  /** Stores that pop: made once, wherever they land. */
  #x87Store(): void {
    const r = this.#r;
    const base = this.#name(r.pick([BX, SI, DI]), this.#natural);
    const stores = ['fstp tword', 'fistp dword', 'fistp qword', 'fistp word', 'fst dword', 'fisttp dword'];
    this.#line(`fild dword [${base}+${r.below(200)}]\n${r.pick(stores)} [${base}+${r.below(200)}]`);
  }

  /** The rounding of SSE or of the x87 changes. */
  #rounding(): void {
    const cell = `[${this.#name(BX, this.#natural)}+${8 * this.#r.below(25)}]`;
    const [read, write, bits] = this.#r.pick([
      ['stmxcsr', 'ldmxcsr', [0x2000, 0x8040, 0x1f80]],
      ['fnstcw', 'fldcw', [0x400, 0x100, 0x3f]],
    ] as const);
    const width = read === 'fnstcw' ? 'word' : 'dword';
    this.#line(`${read} ${width} ${cell}\nxor ${width} ${cell}, ${this.#r.pick(bits)}\n${write} ${width} ${cell}`);
  }

  #string(): void {
    const r = this.#r;
    const [si, di] = [this.#name(SI, this.#natural), this.#name(DI, this.#natural)];
    this.#line(
      `push ${si}\npush ${di}\nmov ecx, ${r.below(40)}\n${r.pick(['rep movsb', 'rep movsd', 'rep stosb', 'rep stosd', 'repe cmpsb', 'repne scasb', 'lodsb'])}\npop ${di}\npop ${si}`,
    );
  }

  #forward(): void {
    const label = this.#label();
    this.#line(`j${this.#r.pick(CONDITIONS)} ${label}`);
    for (let i = this.#r.below(3); i >= 0; i--) this.#simple();
    this.#line(`${label}:`);
  }

  #simple(): void {
    const width = this.#width();
    this.#line(`${this.#r.pick(ALU)} ${this.#free(width)}, ${this.#free(width)}`);
  }

  /** A pointer that walks off the mapped memory. */
  faulting(): void {
    const pointer = this.#name(2, this.#natural);
    const cell = `[${this.#name(BX, this.#natural)}+0x600]`;
    this.#line(
      `mov ${pointer}, ${cell}\n${this.#r.chance(50) ? `mov eax, [${pointer}]` : `add [${pointer}], eax`}\nadd ${pointer}, 0x300\nmov ${cell}, ${pointer}`,
    );
  }

  /** The immediate of the next instruction but one is rewritten. */
  rewriting(): void {
    const label = this.#label();
    const address = this.#w.code === 64 ? 'rdx' : 'edx';
    const far = this.#w.scattered !== undefined && this.#r.chance(60) ? `+${this.#w.scattered.codeAlias}` : '';
    this.#line(
      `mov edx, ${label}${far}\n${this.#r.pick(['mov byte', 'add byte', 'xor byte'])} [${address}+1], ${this.#r.below(128)}`,
    );
    if (this.#r.chance(50)) this.#line('nop');
    this.#line(`${label}: mov eax, 0x12345678`);
  }

  program(): string {
    const r = this.#r;
    const blocks = 2 + r.below(5);
    const functions = r.below(3);
    const faults = r.chance(25);
    const rewrites = r.chance(20);
    const bp = this.#name(BP, 32);
    const word = this.#w.code === 64 ? 'dq' : 'dd';
    const farBlocks = r.chance(15);
    // Or they lie across the end of a page, wherever that falls.
    if (!farBlocks && r.chance(25)) this.#line(`jmp b0\n${'nop\n'.repeat(0xff0 - r.below(160))}`);
    for (let i = 0; i < blocks; i++) {
      if (farBlocks && r.chance(50)) this.#line('align 4096');
      this.#line(`b${i}:`);
      for (let k = 1 + r.below(5); k > 0; k--) this.body();
      if (faults && r.chance(40)) this.faulting();
      if (rewrites && r.chance(40)) this.rewriting();
      if (functions > 0 && r.chance(40)) this.#line(`call f${r.below(functions)}`);
      if (r.chance(20)) this.#line(`j${r.pick(CONDITIONS)} b${Math.min(blocks, i + 1 + r.below(3))}`);
      if (r.chance(25)) this.#computed(i, blocks);
      else if (r.chance(70)) this.#line(`dec ${bp}\njnz b${r.below(i + 1)}`);
    }
    this.#line(`b${blocks}: hlt`);
    const far = r.chance(40);
    for (let i = 0; i < functions; i++) {
      if (far) this.#line('align 4096');
      this.#line(`f${i}:`);
      for (let k = 1 + r.below(3); k > 0; k--) this.body();
      if (i + 1 < functions && r.chance(50)) this.#line(`call f${i + 1}`);
      this.#line('ret');
    }
    this.#line('align 8');
    this.#line(`table: ${Array.from({ length: 8 }, (_, i) => `${word} b${i % (blocks + 1)}`).join('\n')}`);
    return this.#lines.join('\n');
  }

  #computed(i: number, blocks: number): void {
    const index = this.#name(2, this.#natural);
    const scale = this.#w.code === 64 ? 8 : 4;
    this.#line(
      `dec ${this.#name(BP, 32)}\njz b${blocks}\nmovzx edx, al\nand edx, 7\n${this.#r.chance(60) ? 'jmp' : 'call'} [${index}*${scale}+table]`,
    );
    // A call that comes back here has pushed more than it popped: the stack has room for all turns there are.
    if (this.#r.chance(30)) this.#line(`jmp b${Math.min(blocks, i + 1)}`);
  }

  registers(): bigint[] {
    const r = this.#r;
    return Array.from({ length: 16 }, (_, i) => {
      if (i === SP) return BigInt(this.#w.stack);
      if (i === BP) return BigInt(5 + r.below(120));
      if (i === BX) return BigInt(this.#w.data + 0x200);
      if (i === SI || i === DI) return BigInt(this.#w.data + 0x200 + r.below(r.chance(20) ? 0x1000 : 0x300));
      const value = r.chance(50) ? BigInt(r.below(300)) : r.long();
      return this.#w.code === 64 ? value : value & 0xffffffffn;
    });
  }
}

export function randomLoops(random: Random, world: LoopWorld): LoopProgram {
  const writer = new Writer(random, world);
  return { text: writer.program(), registers: writer.registers() };
}
