/**
 * Which forms are recorded, how often, and the initial state that makes each of them interesting (divisors that do not overflow, shift
 * counts, return addresses, equal operands of CMPXCHG …). Forms are recognised by opcode, not by name.
 */
import type { Patch, VectorInput } from '../../../engine/cpu/testing/vector-file.ts';
import { SANDBOX, WINDOW_BYTES } from '../../../engine/cpu/testing/vector-file.ts';
import type { Form } from '../../../engine/isa/form.ts';
import { type Encoded, encode, type Mode, type Shape, sizesOf } from './encode.ts';
import { type EnvironmentKind, makeEnvironment, STACK } from './environments.ts';
import { Random } from './random.ts';

/** Environments of each kind, in this order in the file. */
const ENVIRONMENTS: readonly (readonly [EnvironmentKind, number])[] = [
  ['integer', 48],
  ['packed', 32],
  ['single', 32],
  ['double', 32],
  ['x87', 64],
];

export function allEnvironments() {
  return ENVIRONMENTS.flatMap(([kind, count]) => Array.from({ length: count }, (_, index) => makeEnvironment(kind, index)));
}

function environmentOf(kind: EnvironmentKind, random: Random): number {
  let first = 0;
  for (const [name, count] of ENVIRONMENTS) {
    if (name === kind) return first + random.below(count);
    first += count;
  }
  throw new Error(`no environments of kind ${kind}`);
}

const at = (form: Form, map: number, ...opcodes: number[]): boolean => form.map === map && opcodes.includes(form.opcode);

/** Why a form is not recorded, or undefined when it is. */
export function omitted(form: Form): string | undefined {
  const { name } = form.definition;
  if (at(form, 1, 0x05, 0x07, 0x34, 0x35) || at(form, 0, 0xcd)) return 'enters the system of the recording machine';
  if (at(form, 1, 0xa2, 0x31, 0x33) || (at(form, 1, 0x01) && form.modrm >= 0))
    return 'its result belongs to the recording machine';
  if (at(form, 1, 0x00, 0x02, 0x03) || (at(form, 1, 0x01) && form.modrm < 0))
    return 'looks at descriptor tables of the recording machine';
  if (form.operands.some((o) => o.kind === 'seg') && !/^push/.test(name))
    return 'segment loads and selectors belong to the recording machine';
  if (
    form.operands.some((o) => o.kind === 'far') ||
    at(form, 0, 0x9a, 0xea, 0xca, 0xcb, 0xcf, 0xc4, 0xc5) ||
    at(form, 1, 0xb2, 0xb4, 0xb5)
  )
    return 'far transfers and far pointers use descriptor tables of the recording machine';
  if (at(form, 0, 0xff) && (form.digit === 3 || form.digit === 5))
    return 'far transfers use descriptor tables of the recording machine';
  if (at(form, 0, 0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f) || at(form, 1, 0xa0, 0xa1, 0xa8, 0xa9))
    return 'pushes selectors of the recording machine';
  if (at(form, 1, 0xae) && form.prefix === 'F3') return 'FS and GS bases belong to the recording machine';
  if (/^(xsave|xrstor|xgetbv|xsetbv|rdpmc|rsm|getsec)/.test(name))
    return 'the components present belong to the recording machine';
  if (/^(vm|inv(ept|vpid|pcid))/.test(name)) return 'VMX is not visible to user mode';
  if (at(form, 0, 0xf1)) return 'debug trap of its own';
  if (at(form, 1, 0xc7) && form.digit >= 6) return 'random numbers';
  return undefined;
}

export type Category = 'integer' | 'sse' | 'mmx' | 'x87';

export function categoryOf(form: Form): Category {
  if (form.map === 0 && form.opcode >= 0xd8 && form.opcode <= 0xdf) return 'x87';
  if (form.operands.some((o) => o.kind === 'xmm')) return 'sse';
  if (form.operands.some((o) => o.kind === 'mmx') || at(form, 1, 0x77)) return 'mmx';
  if (at(form, 1, 0xae)) return 'sse';
  return 'integer';
}

function environmentKind(form: Form, category: Category, random: Random): EnvironmentKind {
  if (category === 'x87') return 'x87';
  if (category === 'integer') return 'integer';
  if (category === 'mmx') return /cvt/.test(form.definition.name) ? random.pick(['single', 'double'] as const) : 'packed';
  const { name } = form.definition;
  if (/(ps|ss)$|2p?si|^cvtt?[ps]s/.test(name) && !/2(ps|ss)$/.test(name)) return random.chance(90) ? 'single' : 'double';
  if (/(pd|sd)$|^cvtt?[ps]d/.test(name)) return random.chance(90) ? 'double' : 'single';
  return random.pick(['packed', 'packed', 'single', 'double'] as const);
}

/** Cases of one form in one shape. */
export function casesOf(form: Form, shape: Shape): number {
  const legacy = !form.in64;
  switch (categoryOf(form)) {
    case 'integer':
      if (form.opcodes === 16) return shape.mode === 0 ? 100 : 40;
      return shape.mode === 0 ? 56 : legacy ? 80 : shape.mode === 1 ? 16 : 12;
    case 'sse':
      return shape.mode === 0 ? 72 : 6;
    case 'mmx':
      return shape.mode === 0 ? 56 : 6;
    default:
      return shape.mode === 0 ? (form.operands.length === 0 ? 240 : 140) : 8;
  }
}

/** The shapes of a form on the recording machine. */
export function shapesOf(form: Form): Shape[] {
  const shapes: Shape[] = [];
  const choices = form.operands.some((o) => o.source === 'moffs')
    ? [true]
    : !form.hasModrm || form.anyMod || form.mod === 'reg' || form.modrm >= 0
      ? [false]
      : form.mod === 'mem'
        ? [true]
        : [false, true];
  for (const mode of [0, 1, 2] as const) {
    if (mode === 0 ? !form.in64 : !form.inLegacy) continue;
    for (const size of sizesOf(form, mode)) for (const memory of choices) shapes.push({ mode, size, memory });
  }
  return shapes;
}

const bytesOf = (value: bigint, count: number): Uint8Array =>
  Uint8Array.from({ length: count }, (_, i) => Number((value >> BigInt(i * 8)) & 0xffn));

class Draft {
  readonly random: Random;
  readonly form: Form;
  readonly shape: Shape;
  readonly gpr = new Map<number, bigint>();
  readonly fx: Patch[] = [];
  readonly window: Patch[] = [];
  /** Linear address (offset in 16-bit code) of the memory operand. */
  readonly target: bigint;
  readonly base: bigint;
  prefixes: number[] = [];
  repeat = false;
  flags = 0;

  constructor(form: Form, shape: Shape, random: Random) {
    this.form = form;
    this.shape = shape;
    this.random = random;
    this.base = shape.mode === 2 ? BigInt(SANDBOX.window - SANDBOX.data) : BigInt(SANDBOX.window);
    this.target = this.#target();
    const status = random.below(64);
    this.flags =
      (status & 1) |
      ((status & 2) << 1) |
      ((status & 4) << 2) |
      ((status & 8) << 3) |
      ((status & 16) << 3) |
      ((status & 32) << 6);
  }

  get registerBits(): 16 | 32 | 64 {
    return this.shape.mode === 0 ? 64 : 32;
  }

  #target(): bigint {
    const { random, shape, form } = this;
    const roll = random.below(100);
    if (roll < 3) return this.base + BigInt(WINDOW_BYTES - 1 - random.below(15));
    if (roll === 3) return this.base + BigInt(WINDOW_BYTES + random.below(64));
    if (roll === 4 && shape.mode === 0) return 0x8000_0000_0000n + (random.long() % 0x1_0000_0000n);
    const vector = form.operands.some((o) => o.kind === 'xmm') || (categoryOf(form) === 'sse' && form.opcode === 0xae);
    const room = at(form, 1, 0xae) ? 512 : categoryOf(form) === 'x87' && form.operands[0]?.size === 0 ? 110 : 32;
    let offset = random.below(WINDOW_BYTES - room);
    if (categoryOf(form) === 'x87' && form.operands.some((o) => o.size !== 0)) offset = this.#regionOf();
    else if (vector && random.chance(90)) offset &= ~15;
    else if (random.chance(60)) offset &= ~7;
    return this.base + BigInt(offset);
  }

  /** Part of the window whose values suit an x87 memory operand. */
  #regionOf(): number {
    const { random, form } = this;
    const size = form.operands.find((o) => o.source === 'rm')?.size;
    const integer = (form.opcode & 1) === 0 ? (form.opcode & 2) !== 0 : (form.opcode & 2) !== 0;
    if (form.opcode === 0xdf && form.digit === 4) return 896 + random.below(8) * 16;
    if (size === 80) return 512 + random.below(16) * 16;
    if (integer) return 768 + random.below(14) * 8;
    return size === 64 ? 256 + random.below(32) * 8 : random.below(64) * 4;
  }

  set(register: number, value: bigint): void {
    if (register >= 0) this.gpr.set(register, BigInt.asUintN(this.registerBits, value));
  }

  /** Change memory at an address of the data page, where it is inside the window. */
  patch(address: bigint, bytes: Uint8Array): void {
    const offset = Number(address - this.base);
    if (offset >= 0 && offset + bytes.length <= WINDOW_BYTES) this.window.push({ at: offset, bytes });
  }
}

/** Somewhere in the code page. */
const codeAddress = (draft: Draft): bigint =>
  (draft.shape.mode === 2 ? 0n : BigInt(SANDBOX.code)) + BigInt(draft.random.below(0x1000));

function prepareInteger(draft: Draft): void {
  const { form, random, shape } = draft;
  const strings = form.operands.some((o) => o.source === 'string-source' || o.source === 'string-destination');
  for (const register of [0, 1, 2, 3]) if (random.chance(30)) draft.set(register, random.integer());
  if (strings) {
    const place = (): bigint => draft.base + 64n + BigInt(random.below(WINDOW_BYTES - 192));
    const equal = random.chance(40);
    const [source, destination] = [place(), place()];
    draft.set(6, source);
    draft.set(7, equal ? source : destination);
    if (random.chance(40)) draft.flags |= 0x400;
    if (form.rep && random.chance(70)) {
      draft.prefixes.push(random.chance(70) ? 0xf3 : 0xf2);
      draft.repeat = true;
      draft.set(1, BigInt(random.below(8)));
    }
    return;
  }
  if (at(form, 0, 0xd2, 0xd3) || at(form, 1, 0xa5, 0xad)) draft.set(1, BigInt(random.below(80)) | (random.long() & ~0xffn));
  if (at(form, 0, 0xf6, 0xf7) && form.digit >= 6 && random.chance(75)) {
    draft.set(2, random.chance(50) ? 0n : BigInt(random.below(4)));
    if (form.opcode === 0xf6) draft.set(0, BigInt(random.below(4096)));
  }
  if (at(form, 0, 0xe0, 0xe1, 0xe2, 0xe3) && random.chance(60)) draft.set(1, BigInt(random.below(3)));
  if (at(form, 0, 0xc2, 0xc3) && random.chance(85)) {
    draft.patch(draft.base + (STACK - BigInt(SANDBOX.window)), bytesOf(codeAddress(draft), shape.size / 8));
  }
  if (at(form, 0, 0x9d))
    draft.patch(draft.base + (STACK - BigInt(SANDBOX.window)), bytesOf(random.long() & 0x200cd7n, shape.size / 8));
  if (at(form, 0, 0xd7)) draft.set(3, draft.base + BigInt(random.below(700)));
  if (at(form, 1, 0xae) && form.digit === 2 && random.chance(70)) draft.patch(draft.target, bytesOf(random.long() & 0xffffn, 4));
  if (at(form, 1, 0xc7) && form.digit === 1 && random.chance(50)) {
    const half = shape.size === 64 ? 8 : 4;
    const [low, high] = [random.integer(), random.integer()].map((value) => BigInt.asUintN(half * 8, value)) as [bigint, bigint];
    draft.set(0, low);
    draft.set(2, high);
    draft.patch(draft.target, bytesOf(low | (high << BigInt(half * 8)), half * 2));
  }
  if (at(form, 1, 0xb0, 0xb1) && random.chance(50)) {
    const value = random.integer();
    draft.set(0, value);
    if (shape.memory) draft.patch(draft.target, bytesOf(value, 8));
  }
}

/** Changes that need the registers the encoder chose. */
function afterEncoding(draft: Draft, encoded: Encoded): void {
  const { form, random, shape } = draft;
  if (at(form, 0, 0xff) && (form.digit === 2 || form.digit === 4) && random.chance(80)) {
    if (shape.memory) draft.patch(draft.target, bytesOf(codeAddress(draft), 8));
    else if (encoded.rm !== 4) draft.set(encoded.rm, codeAddress(draft));
  }
  if (at(form, 1, 0xa3, 0xab, 0xb3, 0xbb) && shape.memory && !encoded.gpr.has(encoded.reg) && encoded.reg !== 4) {
    draft.set(encoded.reg, BigInt(random.below(1200) - 600));
  }
  if (at(form, 1, 0xb0, 0xb1) && !shape.memory && random.chance(50) && encoded.rm !== 4)
    draft.set(encoded.rm, draft.gpr.get(0) ?? 5n);
  if (encoded.rm >= 0 && encoded.rm !== 4 && categoryOf(form) === 'integer' && random.chance(35)) {
    if (!draft.gpr.has(encoded.rm)) draft.set(encoded.rm, random.integer());
  }
  if (encoded.reg >= 0 && encoded.reg !== 4 && categoryOf(form) === 'integer' && form.digit < 0 && random.chance(35)) {
    if (!draft.gpr.has(encoded.reg) && !encoded.gpr.has(encoded.reg)) draft.set(encoded.reg, random.integer());
  }
}

function prepareFloating(draft: Draft, category: Category): void {
  const { form, random } = draft;
  const { name } = form.definition;
  if (category === 'sse') {
    if (random.chance(50)) {
      const masks = random.chance(80) ? 0x1f80 : random.below(64) << 7;
      const mode = (random.below(4) << 13) | (random.chance(25) ? 0x40 : 0) | (random.chance(25) ? 0x8000 : 0);
      draft.fx.push({ at: 24, bytes: bytesOf(BigInt(masks | mode | (random.chance(20) ? random.below(64) : 0)), 2) });
    }
    if (/^pcmp.str/.test(name) && random.chance(85)) {
      draft.set(0, BigInt(random.below(36) - 18));
      draft.set(2, BigInt(random.below(36) - 18));
    }
    if (/^maskmov/.test(name)) draft.set(7, draft.base + BigInt(random.below(WINDOW_BYTES - 16)));
    if (at(form, 1, 0xae) && form.digit === 1 && random.chance(80))
      draft.patch(draft.target + 24n, bytesOf(random.long() & 0xffffn, 4));
    if (at(form, 1, 0xae) && form.digit === 2 && random.chance(80))
      draft.patch(draft.target, bytesOf(random.long() & 0xffffn, 4));
  }
  if (category === 'mmx' && /^maskmov/.test(name)) draft.set(7, draft.base + BigInt(random.below(WINDOW_BYTES - 16)));
  if (category === 'x87') {
    if (random.chance(60)) {
      const precision = random.pick([0, 0x200, 0x300, 0x300]);
      const masks = random.chance(80) ? 0x3f : random.below(64);
      draft.fx.push({ at: 0, bytes: bytesOf(BigInt(masks | 0x40 | precision | (random.below(4) << 10)), 2) });
    }
    if (random.chance(15)) draft.fx.push({ at: 4, bytes: bytesOf(BigInt(random.below(256)), 1) });
    if (random.chance(10))
      draft.fx.push({ at: 2, bytes: bytesOf(BigInt((random.below(8) << 11) | (random.word() & 0x4700)), 2) });
  }
}

/** Input number `index` of a form in one shape. */
export function makeInput(form: Form, shape: Shape, index: number): VectorInput {
  const random = new Random(`${form.definition.name} ${form.text} ${shape.mode} ${shape.size} ${shape.memory} ${index}`);
  const category = categoryOf(form);
  const draft = new Draft(form, shape, random);
  const environment = environmentOf(environmentKind(form, category, random), random);
  if (shape.mode === 2) {
    draft.set(4, STACK - BigInt(SANDBOX.data));
    draft.set(5, STACK + 0x40n - BigInt(SANDBOX.data));
  }
  if (category === 'integer') prepareInteger(draft);
  else prepareFloating(draft, category);
  if (form.lock && shape.memory && random.chance(15)) draft.prefixes.push(0xf0);
  const encoded = encode(form, shape, { random, target: { address: draft.target } });
  afterEncoding(draft, encoded);
  for (const [register, value] of encoded.gpr) draft.gpr.set(register, value);
  return {
    mode: shape.mode as Mode,
    repeat: draft.repeat,
    code: Uint8Array.from([...draft.prefixes, ...encoded.code]),
    environment,
    flags: draft.flags,
    gpr: [...draft.gpr].sort(([a], [b]) => a - b),
    fx: draft.fx,
    window: draft.window,
  };
}
