/** Decode tables, built from forms: opcode map, mandatory prefix, ModRM byte. */
import type { Definition, Form } from './form.ts';
import { operandSize, type Variant } from './variants.ts';

/** Immediate layouts, resolved at build time to a small number the decoder switches on. */
export const LAYOUT = { none: 0, ib: 1, iw: 2, iz: 3, iv: 4, far: 5, moffs: 6, iwib: 7, id: 8, ibib: 9 } as const;

/** Prefix bits of `Decoded.prefixes`. */
export const PREFIX = {
  operandSize: 1,
  addressSize: 2,
  lock: 4,
  repne: 8,
  rep: 16,
  rex: 32,
  rexB: 64,
  rexX: 128,
  rexR: 256,
  rexW: 512,
} as const;

/** Which fact besides sizes and memory distinguishes variants of a form. */
export const DETAIL = { none: 0, cc: 1, lock: 2, rep: 3 } as const;

/** A form with what the decoder needs about it as plain numbers. */
export class Entry {
  readonly form: Form;
  readonly layout: number;
  /** The immediate is sign-extended. */
  readonly signed: boolean;
  /** Registers ModRM.reg may name (limited for segment, control and debug registers), and the prefix bit that extends it. */
  readonly registers: number;
  readonly rexR: number;
  /** Base register of implied memory (strings, MONITOR), -1 without; and whether it is in ES. */
  readonly implied: number;
  readonly impliedEs: boolean;
  /** Memory without ModRM: implied, or a memory offset. */
  readonly memory: boolean;
  /** ModRM below C0 means memory. */
  readonly takesMemory: boolean;
  readonly features: number;
  readonly protectedOnly: boolean;
  readonly lock: boolean;
  readonly popMemory: boolean;
  readonly detail: number;
  /** Operand size by 66 (bit 0), REX.W (bit 1) and code size (bits 3:2: 0 for 16, 1 for 32, 2 for 64). */
  readonly sizes: readonly number[];
  /** By mode, then by sizes, memory and detail; filled by the decoder. */
  readonly variants: (Variant[] | undefined)[] = [];

  constructor(form: Form) {
    const implied =
      form.operands.find((o) => o.source === 'string-source') ?? form.operands.find((o) => o.source === 'string-destination');
    this.form = form;
    this.layout = layoutOf(form);
    this.signed = form.operands.some((o) => o.immediate !== 0 && o.signed);
    this.registers = registersOf(form);
    this.rexR = form.operands.some((o) => o.kind === 'seg') ? 0 : PREFIX.rexR;
    this.implied = implied?.fixed ?? -1;
    this.impliedEs = implied?.source === 'string-destination';
    this.memory = implied !== undefined || this.layout === LAYOUT.moffs;
    this.takesMemory = form.hasModrm && !form.anyMod;
    this.features = form.features;
    this.protectedOnly = form.protectedOnly;
    this.lock = form.lock;
    this.popMemory = form.popMemory;
    this.detail = form.opcodes === 16 ? DETAIL.cc : form.lock ? DETAIL.lock : form.rep ? DETAIL.rep : DETAIL.none;
    this.sizes = sizesOf(form);
  }
}

const SIZES = new Map<string, readonly number[]>();

/** `Entry.sizes`, one array per rule. */
function sizesOf(form: Form): readonly number[] {
  const rule = `${form.size}${form.prefix === '66'}`;
  let sizes = SIZES.get(rule);
  if (sizes === undefined) {
    sizes = Array.from({ length: 12 }, (_, i) =>
      operandSize(form, ([16, 32, 64] as const)[i >> 2]!, (i & 1) !== 0, (i & 2) !== 0),
    );
    SIZES.set(rule, sizes);
  }
  return sizes;
}

/** Bit set of the registers ModRM.reg may name: ES to GS but not CS as a destination, CR0 2 3 4 8, DR0 to DR7. */
function registersOf(form: Form): number {
  const kinds = form.operands.map((o) => (o.source === 'reg' ? o.kind : undefined));
  if (kinds.includes('cr')) return 0b1_0001_1101;
  if (kinds.includes('dr')) return 0xff;
  if (kinds[0] === 'seg') return 0b111101;
  if (kinds.includes('seg')) return 0b111111;
  return 0xffff;
}

function layoutOf(form: Form): number {
  if (form.operands.some((o) => o.source === 'moffs')) return LAYOUT.moffs;
  const parts = form.operands.filter((o) => o.immediate !== 0);
  const [first, second] = parts;
  if (!first) return LAYOUT.none;
  if (first.text === 'Ap') return LAYOUT.far;
  if (second) return first.immediate === 16 ? LAYOUT.iwib : LAYOUT.ibib;
  return { 8: LAYOUT.ib, 16: LAYOUT.iw, 32: LAYOUT.id, z: LAYOUT.iz, v: LAYOUT.iv }[first.immediate as 8];
}

/** Opcodes of a table: 4 maps of 256. */
export const ROWS = 1024;

/** Index of the mandatory-prefix column. */
export const COLUMN = { NP: 0, 66: 1, F3: 2, F2: 3 } as const;

export class Slot {
  readonly modrm: boolean;
  /** By column; where `groups` has the column, the entry depends on ModRM. */
  readonly direct: (Entry | undefined)[] = [undefined, undefined, undefined, undefined];
  readonly groups: ((Entry | undefined)[] | undefined)[] = [undefined, undefined, undefined, undefined];
  /** What the opcode is under REX.B, where that differs: 90 is NOP, but 41 90 exchanges r8 (not under F3: PAUSE). */
  extended: Entry | undefined;

  constructor(modrm: boolean) {
    this.modrm = modrm;
  }
}

/** 4 maps of 256 opcodes, each made when it is first looked up. */
export class Table {
  readonly #slots: (Slot | undefined)[] = new Array<undefined>(ROWS).fill(undefined);
  readonly #forms: (Form[] | undefined)[] = new Array<undefined>(ROWS).fill(undefined);
  readonly #entries: Map<Form, Entry>;

  /** @param entries shared by tables, so that what is known of a form is known in all modes */
  constructor(entries: Map<Form, Entry>) {
    this.#entries = entries;
  }

  add(row: number, form: Form): void {
    const forms = this.#forms[row];
    if (forms === undefined) this.#forms[row] = [form];
    else forms.push(form);
  }

  /** Undefined for an opcode that has no form. Throws when two forms overlap. */
  at(row: number): Slot | undefined {
    return this.#slots[row] ?? this.#make(row);
  }

  #make(row: number): Slot | undefined {
    const forms = this.#forms[row];
    if (forms === undefined) return undefined;
    const entries = forms.map((form) => {
      let entry = this.#entries.get(form);
      if (entry === undefined) {
        entry = new Entry(form);
        this.#entries.set(form, entry);
      }
      return entry;
    });
    const slot = buildSlot(entries);
    this.#slots[row] = slot;
    return slot;
  }
}

const modrmMatches = (form: Form, modrm: number): boolean => {
  if (form.modrm >= 0) return modrm >= form.modrm && modrm < form.modrm + form.modrms;
  if (form.digit >= 0 && ((modrm >> 3) & 7) !== form.digit) return false;
  return form.mod === 'both' || (form.mod === 'reg') === modrm >= 0xc0;
};
/** More exact forms shadow less exact ones. */
const rank = (form: Form): number =>
  (form.opcodes === 1 ? 8 : 0) + (form.modrm >= 0 ? 4 : 0) + (form.digit >= 0 ? 2 : 0) + (form.mod === 'both' ? 0 : 1);

/** The form does not look at ModRM beyond its being there. */
const isFree = ({ form }: Entry): boolean => form.digit < 0 && form.modrm < 0 && form.mod === 'both';

/** Below C0 only the extension matters: mod tells memory operands apart, rm and SIB name them. */
function byModrm(pick: (modrm: number) => Entry | undefined): (Entry | undefined)[] {
  const memory = [0, 1, 2, 3, 4, 5, 6, 7].map((digit) => pick(digit << 3));
  const all: (Entry | undefined)[] = [];
  for (let modrm = 0; modrm < 256; modrm++) all.push(modrm < 0xc0 ? memory[(modrm >> 3) & 7] : pick(modrm));
  return all;
}

function buildSlot(forms: readonly Entry[]): Slot {
  const first = forms[0]!.form;
  if (forms.some((entry) => entry.form.hasModrm !== first.hasModrm))
    throw new Error(`forms of one opcode disagree about ModRM: ${first.text}`);
  const slot = new Slot(first.hasModrm);
  const any = forms.filter((entry) => entry.form.prefix === 'any');
  const plain = !slot.modrm || forms.every(isFree);
  let shared: (Entry | undefined)[] | undefined;
  for (const [name, column] of Object.entries(COLUMN)) {
    const own = forms.filter((entry) => entry.form.prefix === name);
    const pick = (modrm: number): Entry | undefined => best(own, modrm) ?? best(any, modrm);
    if (plain) slot.direct[column] = pick(0);
    else if (own.length > 0) slot.groups[column] = byModrm(pick);
    else {
      shared ??= byModrm(pick);
      slot.groups[column] = shared;
    }
  }
  if (!slot.modrm && any.length > 1) slot.extended = any.find((entry) => entry.form.opcodes === 8);
  return slot;
}

function best(entries: readonly Entry[], modrm: number): Entry | undefined {
  let found: Entry | undefined;
  for (const entry of entries) {
    if (!modrmMatches(entry.form, modrm)) continue;
    if (found && rank(found.form) === rank(entry.form))
      throw new Error(`forms '${found.form.text}' and '${entry.form.text}' overlap`);
    if (!found || rank(entry.form) > rank(found.form)) found = entry;
  }
  return found;
}

/** Tables for 64-bit mode and for the other modes. */
export function buildTables(definitions: readonly Definition[]): { long: Table; legacy: Table } {
  const entries = new Map<Form, Entry>();
  const tables = { long: new Table(entries), legacy: new Table(entries) };
  for (const { forms } of definitions) {
    for (const form of forms) {
      for (let i = 0; i < form.opcodes; i++) {
        const row = form.map * 256 + form.opcode + i;
        if (form.in64) tables.long.add(row, form);
        if (form.inLegacy) tables.legacy.add(row, form);
      }
    }
  }
  return tables;
}
