/** The printer: one decoded instruction as text, Intel syntax, as the assembler reads it. Used by the inspector and by tests. */

import type { Decoded } from './decoded.ts';
import type { Width } from './emitter.ts';
import { generalName, mnemonic, registerName, SEGMENTS, sizeWord } from './names.ts';
import { PREFIX } from './table.ts';
import type { VariantOperand } from './variants.ts';

const hex = (value: bigint): string => (value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`);
const wide = (low: number, high: number): bigint => (BigInt(high) << 32n) | BigInt(low >>> 0);

/** Where a branch goes, or a RIP-relative operand points; relative to the instruction's own address. */
function target(decoded: Decoded, ip: bigint, distance: bigint, width: number): bigint {
  return BigInt.asUintN(width, ip + BigInt(decoded.length) + distance);
}

function memoryText(decoded: Decoded, operand: VariantOperand, ip: bigint): string {
  const { base, index, scale } = decoded;
  const { addressWidth } = decoded.facts;
  let displacement = wide(decoded.displacement, decoded.displacementHigh);
  if (decoded.form.popMemory && base === 4) displacement -= BigInt(decoded.facts.width / 8);
  const parts: string[] = [];
  if (decoded.ripRelative) parts.push(`rel ${hex(target(decoded, ip, displacement, addressWidth))}`);
  if (base >= 0) parts.push(generalName(addressWidth as Width, base));
  if (index >= 0) parts.push(`${generalName(addressWidth as Width, index)}${scale > 0 || base < 0 ? `*${1 << scale}` : ''}`);
  let text = parts.join('+');
  if (parts.length === 0) text = hex(BigInt.asUintN(addressWidth, displacement));
  else if (!decoded.ripRelative && displacement !== 0n) text += displacement < 0n ? hex(displacement) : `+${hex(displacement)}`;
  const size = operand.spec.size === 'p' ? undefined : sizeWord(operand.width);
  const segment = decoded.segmentOverride >= 0 ? `${SEGMENTS[decoded.segmentOverride]!}:` : '';
  return `${size ? `${size} ` : ''}${segment}[${text}]`;
}

function immediateText(decoded: Decoded, operand: VariantOperand): string {
  const { spec } = operand;
  if (spec.source === 'fixed') return String(spec.fixed);
  const first = decoded.variant.operands.find((other) => other.spec.immediate !== 0);
  if (first !== operand) return hex(BigInt(decoded.immediate2));
  const value = wide(decoded.immediate, decoded.immediateHigh);
  return hex(BigInt.asUintN(operand.width || 64, value));
}

function operandText(decoded: Decoded, operand: VariantOperand, ip: bigint): string {
  const { kind, spec, width, position } = operand;
  if (kind === 'mem') return memoryText(decoded, operand, ip);
  if (kind === 'rel') return hex(target(decoded, ip, wide(decoded.immediate, decoded.immediateHigh), width));
  if (kind === 'imm' || kind === 'far') return immediateText(decoded, operand);
  return registerName({
    kind,
    number: decoded.register(position),
    width: spec.kind === 'reg' ? width : spec.size === 0 ? 0 : width,
  });
}

/** Text of an instruction at `ip` (default 0: branch targets count from its first byte). */
export function print(decoded: Decoded, ip = 0n): string {
  const { variant, facts } = decoded;
  const implied = variant.operands.some((o) => o.spec.source.startsWith('string'));
  const prefixes: string[] = [];
  if (facts.lock) prefixes.push('lock ');
  if (facts.rep !== 'none') prefixes.push(`${facts.rep} `);
  if (implied) {
    if ((decoded.prefixes & PREFIX.addressSize) !== 0) prefixes.push(`a${facts.addressWidth} `);
    if (decoded.segmentOverride >= 0 && variant.operands.some((o) => o.spec.source === 'string-source'))
      prefixes.push(`${SEGMENTS[decoded.segmentOverride]!} `);
  }
  const name = mnemonic(decoded.form, facts);
  if (implied) return prefixes.join('') + name;
  const shown = variant.operands.filter((o) => o.spec.text !== 'XMM0');
  if (shown.some((o) => o.spec.text === 'Ap')) {
    const [offset, selector] = shown as [VariantOperand, VariantOperand];
    return `${name} ${immediateText(decoded, selector)}:${immediateText(decoded, offset)}`;
  }
  const operands = shown.map((operand) => operandText(decoded, operand, ip)).join(', ');
  return prefixes.join('') + name + (operands === '' ? '' : ` ${operands}`);
}
