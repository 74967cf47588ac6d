/** What the golden vectors do not decide: flags the manual leaves undefined, approximations, pointers that processors keep differently. */
import { SANDBOX } from './vector-file.ts';

/** RFLAGS bit. */
const O = 0x800;

interface Undefined {
  /** Matched against `mnemonic form`. */
  readonly forms: RegExp;
  readonly flags: number;
  readonly reason: string;
}

/** Status flags left out of the comparison. */
const UNDEFINED_FLAGS: readonly Undefined[] = [
  {
    forms: /^ro[lr] (C0|C1)/,
    flags: O,
    reason: 'O is undefined for counts other than 1; the recording processor keeps it',
  },
];

interface Vendor {
  readonly forms: RegExp;
  /** Bits of the error code that are not compared. */
  readonly error?: number;
  /** Memory is not compared when the instruction faults. */
  readonly faultLeavesMemory?: boolean;
  /** #SS where the recording processor reports #GP. */
  readonly stackFaultFirst?: boolean;
  /** Of CR2 only the page is compared. */
  readonly cr2Page?: boolean;
  readonly reason: string;
}

/** Where the recording processor does something the manual does not say, or says otherwise. */
const VENDOR_DIFFERENCES: readonly Vendor[] = [
  {
    forms: /^call (E8 .*16-bit|FF\/2)/,
    faultLeavesMemory: true,
    reason: 'the return address is stored before the target meets the limit',
  },
  {
    forms: /^(fnstenv|fnsave|fldenv|frstor) /,
    cr2Page: true,
    reason: 'the recording processor touches the end of the operand first, or its parts in another order',
  },
  {
    forms: /^(fstp DB\/7|fbstp )/,
    faultLeavesMemory: true,
    reason: 'the significand is stored before the fault of the upper two bytes',
  },
  {
    forms: / V[a-z]+,W.* (16|32)-bit/,
    stackFaultFirst: true,
    reason: 'the interpreter meets the limit of SS before it looks at the alignment to 16 bytes',
  },
];

/** x87 instructions whose result may differ by one unit in the last place of the 64-bit significand (SDM vol. 1, 8.3.10). */
const TRANSCENDENTAL = /^(fsin|fcos|fsincos|fptan|fpatan|f2xm1|fyl2x|fyl2xp1)$/;
/** SSE approximations: relative error at most 1.5 * 2^-12 on either processor (SDM vol. 2B, RCPPS). */
const APPROXIMATE = /^r(cp|sqrt)[ps]s$/;

export interface Tolerance {
  /** Flags and bits of the error code that are compared. */
  readonly flags: number;
  readonly error: number;
  readonly faultLeavesMemory: boolean;
  readonly stackFaultFirst: boolean;
  readonly cr2Page: boolean;
  readonly transcendental: boolean;
  readonly approximate: boolean;
}

export function toleranceOf(name: string, form: string): Tolerance {
  const vendor = VENDOR_DIFFERENCES.filter(({ forms }) => forms.test(`${name} ${form}`));
  return {
    flags: UNDEFINED_FLAGS.reduce((mask, { forms, flags }) => (forms.test(`${name} ${form}`) ? mask & ~flags : mask), ~0),
    error: vendor.reduce((mask, { error = 0 }) => mask & ~error, ~0),
    faultLeavesMemory: vendor.some(({ faultLeavesMemory }) => faultLeavesMemory === true),
    stackFaultFirst: vendor.some(({ stackFaultFirst }) => stackFaultFirst === true),
    cr2Page: vendor.some(({ cr2Page }) => cr2Page === true),
    transcendental: TRANSCENDENTAL.test(name),
    approximate: APPROXIMATE.test(name),
  };
}

/** Bytes of a stored x87 environment that hold pointers, opcode, selectors or reserved bits: processors differ. */
const SAVED: readonly { readonly names: RegExp; ignored(size: 16 | 32 | 64): readonly (readonly [number, number])[] }[] = [
  {
    names: /^fn?(stenv|save)$/,
    ignored: (size) =>
      size === 16
        ? [[6, 14]]
        : [
            [2, 4],
            [6, 8],
            [10, 28],
          ], // prettier-ignore
  },
  {
    names: /^fxsave/,
    ignored: () => [
      [5, 24],
      [28, 32],
      ...Array.from({ length: 8 }, (_, i): [number, number] => [42 + i * 16, 48 + i * 16]),
      [416, 512],
    ],
  },
];

/** Window offsets to leave out when this instruction stored at a linear address (offset in the data segment for 16-bit code). */
export function ignoredWindow(
  name: string,
  size: 16 | 32 | 64,
  at: { address: number; mode: number },
): (offset: number) => boolean {
  const rule = SAVED.find(({ names }) => names.test(name));
  if (rule === undefined) return () => false;
  const start = at.address - (at.mode === 2 ? SANDBOX.window - SANDBOX.data : SANDBOX.window);
  const ranges = rule.ignored(size);
  return (offset) => ranges.some(([from, to]) => offset >= start + from && offset < start + to);
}

/** Distance of two 80-bit values in units of the last place; infinite when sign or class differ. */
export function unitsApart(a: Uint8Array, b: Uint8Array): bigint {
  const [x, y] = [a, b].map((bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, 10);
    const signExponent = BigInt(view.getUint16(8, true));
    const magnitude = ((signExponent & 0x7fffn) << 63n) | (view.getBigUint64(0, true) & 0x7fff_ffff_ffff_ffffn);
    return { sign: signExponent >> 15n, magnitude };
  }) as [{ sign: bigint; magnitude: bigint }, { sign: bigint; magnitude: bigint }];
  if (x.sign !== y.sign) return 1n << 80n;
  return x.magnitude > y.magnitude ? x.magnitude - y.magnitude : y.magnitude - x.magnitude;
}

/** Two binary32 approximations of the same value: equal, or within twice the documented error. */
export function closeEnough(a: number, b: number): boolean {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(0, a);
  view.setUint32(4, b);
  const [x, y] = [view.getFloat32(0), view.getFloat32(4)];
  return a === b || Math.abs(x - y) <= Math.abs(x) * 3 * 2 ** -12;
}
