/** Names of registers, conditions and sizes, and mnemonics of forms: shared by printer and assembler. Intel syntax, lower case. */
import type { AddressWidth, ConditionCode, Facts, Operand, Width } from './emitter.ts';
import type { Form } from './form.ts';

const REG64 = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'];
const REG8 = ['al', 'cl', 'dl', 'bl', 'spl', 'bpl', 'sil', 'dil'];
const HIGH = ['ah', 'ch', 'dh', 'bh'];
export const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];

type RegisterKind = Exclude<Operand['kind'], 'mem' | 'imm' | 'rel' | 'far'>;

/** A register as text names it; AH to BH are 16 to 19. */
export interface RegisterName {
  readonly kind: RegisterKind;
  readonly number: number;
  readonly width: number;
}

/** Name of a general register; 16 to 19 are AH, CH, DH, BH. */
export function generalName(width: Width, number: number): string {
  if (number >= 16) return HIGH[number - 16]!;
  if (number >= 8) return `r${number}${{ 8: 'b', 16: 'w', 32: 'd', 64: '' }[width]}`;
  if (width === 8) return REG8[number]!;
  const name = REG64[number]!;
  return width === 64 ? name : width === 32 ? `e${name.slice(1)}` : name.slice(1);
}

/** Name of any register operand. */
export function registerName({ kind, number, width }: RegisterName): string {
  switch (kind) {
    case 'reg':
      return generalName(width as Width, number);
    case 'seg':
      return SEGMENTS[number]!;
    case 'mmx':
      return `mm${number}`;
    default:
      return `${kind}${number}`; // xmm0, st0, cr0, dr0
  }
}

/** Every register by name. */
export const REGISTERS: ReadonlyMap<string, RegisterName> = new Map(
  (function* (): Generator<[string, RegisterName]> {
    for (const width of [8, 16, 32, 64] as const)
      for (let number = 0; number < (width === 8 ? 20 : 16); number++)
        yield [generalName(width, number), { kind: 'reg', number, width }];
    const others: [RegisterKind, number, number][] = [
      ['seg', 6, 16],
      ['mmx', 8, 64],
      ['xmm', 16, 128],
      ['st', 8, 80],
      ['cr', 16, 64],
      ['dr', 16, 64],
    ];
    for (const [kind, count, width] of others)
      for (let number = 0; number < count; number++) {
        const register = { kind, number, width };
        yield [registerName(register), register];
        if (kind === 'st') yield [`st(${number})`, register];
      }
    yield ['st', { kind: 'st', number: 0, width: 80 }];
  })(),
);

/** Condition mnemonics, the printed one first. */
const CONDITIONS: readonly (readonly string[])[] = [
  ['o'],
  ['no'],
  ['b', 'c', 'nae'],
  ['ae', 'nc', 'nb'],
  ['e', 'z'],
  ['ne', 'nz'],
  ['be', 'na'],
  ['a', 'nbe'],
  ['s'],
  ['ns'],
  ['p', 'pe'],
  ['np', 'po'],
  ['l', 'nge'],
  ['ge', 'nl'],
  ['le', 'ng'],
  ['g', 'nle'],
];

/** Sizes of memory operands in bits by keyword, and back. */
export const SIZE_WORDS: ReadonlyMap<string, number> = new Map([
  ['byte', 8],
  ['word', 16],
  ['dword', 32],
  ['qword', 64],
  ['tbyte', 80],
  ['tword', 80],
  ['xmmword', 128],
  ['oword', 128],
]);
export const sizeWord = (bits: number): string | undefined => [...SIZE_WORDS].find(([, size]) => size === bits)?.[0];

const bySize = (names: string, width: number): string => {
  const choices = names.split(',');
  return choices[width === 64 ? 2 : width === 32 ? 1 : 0] ?? choices[0]!;
};

/** What a mnemonic depends on. `operandSize` is 16, 32 or 64; `width` the facts' width, 8 for byte forms. */
export interface NameFacts {
  readonly width: Width;
  readonly addressWidth: AddressWidth;
  readonly cc: ConditionCode;
}

/** Mnemonics of a form under these facts, the printed one first. */
export function mnemonics(form: Form, facts: NameFacts): string[] {
  const { name } = form.definition;
  if (!name.includes('{')) return [name];
  const fixed = name
    .replace(/\{a:([^}]*)\}/, (_, names: string) => bySize(names, facts.addressWidth))
    .replace('{w}', { 8: 'b', 16: 'w', 32: 'd', 64: 'q' }[facts.width])
    .replace(/\{([^}]*,[^}]*)\}/, (_, names: string) => bySize(names, facts.width));
  return fixed.includes('{cc}') ? CONDITIONS[facts.cc]!.map((condition) => fixed.replace('{cc}', condition)) : [fixed];
}

/** The printed mnemonic. */
export const mnemonic = (form: Form, facts: Facts): string => mnemonics(form, facts)[0]!;
