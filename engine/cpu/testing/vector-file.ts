/**
 * The golden vectors' file: single instructions executed on a real processor, state before and after (recorder: build/tasks/vectors).
 *
 * A case starts from a shared environment, changes a few registers, and lists everything that differs afterwards; what is not listed
 * did not change. Addresses are those of the recorder's sandbox (`SANDBOX`). Three byte streams (structure, instruction bytes, values)
 * follow each other; they compress better apart.
 */
import { ByteReader, ByteWriter, readLong, writeLong } from './byte-stream.ts';

export const WINDOW_BYTES = 1024;
/** Linear addresses of the sandbox; GS has its base there in 64-bit mode. In 16-bit code CS and the data segments start at the pages. */
export const SANDBOX = { code: 0x10000000, entry: 0x10000100, data: 0x10010000, window: 0x10010c00, gsBase: 0x10010800 } as const;
/** Selectors in force: 64-bit, 32-bit and 16-bit code, and the data segment of each. */
export const SELECTORS = { code: [0x33, 0x23, 0x07], data: [0x2b, 0x2b, 0x0f] } as const;
/** The instruction completed; otherwise `vector` is that of the fault. */
export const COMPLETED = 255;

export interface Environment {
  /** In encoding order, rAX rCX rDX rBX rSP rBP rSI rDI r8 to r15. 32- and 16-bit cases use the low halves. */
  readonly gpr: readonly bigint[];
  /** First 416 bytes of an FXSAVE image in 64-bit format. */
  readonly fx: Uint8Array;
  readonly window: Uint8Array;
}

/** A piece of bytes at an offset. */
export interface Patch {
  readonly at: number;
  readonly bytes: Uint8Array;
}

export interface VectorInput {
  /** 0: 64-bit code, 1: 32-bit compatibility, 2: 16-bit segments in compatibility mode. */
  readonly mode: 0 | 1 | 2;
  /** A repeated string instruction, run to its end. */
  readonly repeat: boolean;
  readonly code: Uint8Array;
  readonly environment: number;
  /** Status flags and DF; IF and bit 1 are always set. */
  readonly flags: number;
  readonly gpr: readonly (readonly [number, bigint])[];
  /** Changes of the FXSAVE image (FCW at 0, FSW at 2, MXCSR at 24) and of the window. */
  readonly fx: readonly Patch[];
  readonly window: readonly Patch[];
}

export interface VectorOutput {
  /** `COMPLETED` or the vector of the fault. */
  readonly vector: number;
  readonly error: number;
  /** Faulting address of a page fault. */
  readonly cr2: bigint;
  /** Offset in the code segment, from the instruction's first byte, modulo 2^64. */
  readonly advance: bigint;
  readonly flags: number;
  readonly gpr: readonly (readonly [number, bigint])[];
  readonly fx: readonly Patch[];
  readonly window: readonly Patch[];
}

export interface VectorCase {
  readonly input: VectorInput;
  readonly output: VectorOutput;
}

/** All cases of one form in one variant (mode, operand size, register or memory). */
export interface VectorGroup {
  readonly name: string;
  readonly form: string;
  readonly cases: readonly VectorCase[];
}

export interface VectorFile {
  readonly environments: readonly Environment[];
  readonly groups: readonly VectorGroup[];
}

class Output {
  readonly shape = new ByteWriter();
  readonly code = new ByteWriter();
  readonly data = new ByteWriter();

  text(value: string): void {
    const bytes = Uint8Array.from(value, (character) => character.charCodeAt(0));
    this.shape.number(bytes.length);
    this.code.bytes(bytes);
  }
  registers(list: readonly (readonly [number, bigint])[]): void {
    this.shape.number(list.length);
    for (const [number, value] of list) {
      this.shape.byte(number);
      writeLong(this.shape, this.data, value);
    }
  }
  patches(list: readonly Patch[]): void {
    this.shape.number(list.length);
    for (const { at, bytes } of list) {
      this.shape.number(at);
      this.shape.number(bytes.length);
      this.data.bytes(bytes);
    }
  }
}

class Input {
  readonly shape: ByteReader;
  readonly code: ByteReader;
  readonly data: ByteReader;

  constructor(bytes: Uint8Array) {
    const head = new ByteReader(bytes.subarray(0, 24));
    const lengths = [head.number(), head.number(), head.number()] as const;
    const start = bytes.length - lengths[0] - lengths[1] - lengths[2];
    this.shape = new ByteReader(bytes.subarray(start, start + lengths[0]));
    this.code = new ByteReader(bytes.subarray(start + lengths[0], start + lengths[0] + lengths[1]));
    this.data = new ByteReader(bytes.subarray(start + lengths[0] + lengths[1]));
  }
  text(): string {
    return String.fromCharCode(...this.code.bytes(this.shape.number()));
  }
  registers(): [number, bigint][] {
    return this.list(() => [this.shape.byte(), readLong(this.shape, this.data)]);
  }
  patches(): Patch[] {
    return this.list(() => ({ at: this.shape.number(), bytes: this.data.bytes(this.shape.number()) }));
  }
  list<T>(read: () => T): T[] {
    return Array.from({ length: this.shape.number() }, read);
  }
}

function writeCase(to: Output, { input, output }: VectorCase): void {
  const ordinary = output.vector === COMPLETED && output.advance === BigInt(input.code.length);
  to.shape.byte(input.mode | (input.repeat ? 4 : 0) | (ordinary ? 0 : 8));
  to.shape.number(input.environment);
  to.shape.number(input.code.length);
  to.code.bytes(input.code);
  to.shape.number(input.flags);
  to.registers(input.gpr);
  to.patches(input.fx);
  to.patches(input.window);
  if (!ordinary) {
    to.shape.byte(output.vector);
    to.shape.number(output.error);
    writeLong(to.shape, to.data, output.cr2);
    writeLong(to.shape, to.data, output.advance);
  }
  to.shape.number(output.flags);
  to.registers(output.gpr);
  to.patches(output.fx);
  to.patches(output.window);
}

function readCase(from: Input): VectorCase {
  const head = from.shape.byte();
  const environment = from.shape.number();
  const code = from.code.bytes(from.shape.number());
  const input: VectorInput = {
    mode: (head & 3) as 0 | 1 | 2,
    repeat: (head & 4) !== 0,
    code,
    environment,
    flags: from.shape.number(),
    gpr: from.registers(),
    fx: from.patches(),
    window: from.patches(),
  };
  const unusual = (head & 8) !== 0;
  const output: VectorOutput = {
    vector: unusual ? from.shape.byte() : COMPLETED,
    error: unusual ? from.shape.number() : 0,
    cr2: unusual ? readLong(from.shape, from.data) : 0n,
    advance: unusual ? readLong(from.shape, from.data) : BigInt(code.length),
    flags: from.shape.number(),
    gpr: from.registers(),
    fx: from.patches(),
    window: from.patches(),
  };
  return { input, output };
}

export function encodeVectors(file: VectorFile): Uint8Array {
  const out = new Output();
  out.shape.number(file.environments.length);
  for (const { gpr, fx, window } of file.environments) {
    for (const value of gpr) writeLong(out.shape, out.data, value);
    out.data.bytes(fx);
    out.data.bytes(window);
  }
  out.shape.number(file.groups.length);
  for (const group of file.groups) {
    out.text(group.name);
    out.text(group.form);
    out.shape.number(group.cases.length);
    for (const each of group.cases) writeCase(out, each);
  }
  const streams = [out.shape.take(), out.code.take(), out.data.take()];
  const whole = new ByteWriter();
  for (const stream of streams) whole.number(stream.length);
  for (const stream of streams) whole.bytes(stream);
  return whole.take();
}

/** Throws when the bytes are not such a file; they are our own, checked by the manifest's checksum before. */
export function decodeVectors(bytes: Uint8Array): VectorFile {
  // Node's Buffer shares memory where `slice` of plain arrays copies; cases must not change each other's environments.
  const from = new Input(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
  const environments = from.list(() => ({
    gpr: Array.from({ length: 16 }, () => readLong(from.shape, from.data)),
    fx: from.data.bytes(416),
    window: from.data.bytes(WINDOW_BYTES),
  }));
  const groups = from.list(() => ({ name: from.text(), form: from.text(), cases: from.list(() => readCase(from)) }));
  return { environments, groups };
}

/** The initial state of a case in full. */
export function initialState(file: VectorFile, input: VectorInput): { gpr: bigint[]; fx: Uint8Array; window: Uint8Array } {
  const environment = file.environments[input.environment];
  if (environment === undefined) throw new Error(`the vector file has no environment ${input.environment}`);
  const gpr = environment.gpr.map((value) => (input.mode === 0 ? value : BigInt.asUintN(32, value)));
  for (const [number, value] of input.gpr) gpr[number] = value;
  const apply = (to: Uint8Array, patches: readonly Patch[]): Uint8Array => {
    for (const { at, bytes } of patches) to.set(bytes, at);
    return to;
  };
  return { gpr, fx: apply(environment.fx.slice(), input.fx), window: apply(environment.window.slice(), input.window) };
}
