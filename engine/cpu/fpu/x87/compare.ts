/** FCOM, FUCOM, FCOMI, FUCOMI, FTST and FXAM. */
import { compareMagnitude } from '../softfloat/arithmetic.ts';
import { IE } from '../softfloat/round.ts';
import { INFINITY, isNaNKind, SIGNALLING, setZero, ZERO } from '../softfloat/wide.ts';
import { loadSource, sourceMissing } from './source.ts';
import * as unit from './unit.ts';
import { A, B, C0, C2, C3 } from './unit.ts';

/** C3, C2, C0 of A against B, and whether the comparison is invalid. */
function relate(quiet: boolean): { bits: number; flags: number } {
  if (unit.unsupported()) return { bits: C0 | C2 | C3, flags: IE };
  if (isNaNKind(A) || isNaNKind(B)) {
    const signals = !quiet || A.kind === SIGNALLING || B.kind === SIGNALLING;
    return { bits: C0 | C2 | C3, flags: signals ? IE : 0 };
  }
  const order = compare();
  return { bits: order === 0 ? C3 : order < 0 ? C0 : 0, flags: unit.denormals() };
}

/** -1, 0, 1; neither is a NaN. */
function compare(): number {
  if (A.kind === ZERO && B.kind === ZERO) return 0;
  if (A.kind === ZERO) return B.sign === 1 ? 1 : -1;
  if (B.kind === ZERO || A.sign !== B.sign) return A.sign === 1 ? -1 : 1;
  const magnitude =
    A.kind === INFINITY || B.kind === INFINITY ? (A.kind === B.kind ? 0 : A.kind === INFINITY ? 1 : -1) : compareMagnitude(A, B);
  return A.sign === 1 ? -magnitude : magnitude;
}

/** ST0 against the source. The condition codes change even when an unmasked exception stops the instruction; `go` allows the pops. */
function comparison(source: bigint, format: number, quiet: boolean): { bits: number; go: boolean } {
  if (unit.isEmpty(0) || sourceMissing(source, format)) return { bits: C0 | C2 | C3, go: unit.underflow() };
  unit.load(0, A);
  loadSource(source, format, B);
  const { bits, flags } = relate(quiet);
  return { bits, go: unit.signal(flags) };
}

/** FCOM, FUCOM and their popping forms. */
export function compareToConditions(source: bigint, format: number, what: { quiet: boolean; pops: number }): void {
  const { bits, go } = comparison(source, format, what.quiet);
  unit.setConditions(bits);
  if (go) unit.pop(what.pops);
}

/** FCOMI, FUCOMI: [ZF, PF and CF at their places]; they change even when an unmasked exception stops the pop (observed). */
export function compareToFlags(source: bigint, format: number, what: { quiet: boolean; pops: number }): readonly bigint[] {
  const { bits, go } = comparison(source, format, what.quiet);
  if (go) unit.pop(what.pops);
  return [BigInt(((bits & C3) === 0 ? 0 : 0x40) | ((bits & C2) === 0 ? 0 : 4) | ((bits & C0) === 0 ? 0 : 1)), 0n];
}

export function testZero(): void {
  if (unit.isEmpty(0)) {
    unit.underflow();
    unit.setConditions(C0 | C2 | C3);
    return;
  }
  unit.load(0, A);
  setZero(B, 0);
  const { bits, flags } = relate(false);
  unit.signal(flags);
  unit.setConditions(bits);
}

export function examine(): void {
  unit.load(0, A);
  unit.setC1(A.sign === 1);
  if (unit.isEmpty(0)) {
    unit.setConditions(C3 | C0);
    return;
  }
  const classes = [C3, A.denormal ? C3 | C2 : C2, C2 | C0, C0, C0, 0];
  unit.setConditions(classes[A.kind] as number);
}
