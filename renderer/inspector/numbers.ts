/** Numbers as the inspector writes them. */
import { radix } from '../frame/preferences.ts';

/** `0x` and digits as the person wants to read it; vectors of more than 64 bits stay hexadecimal. */
export function shownNumber(hexadecimal: string): string {
  if (radix.value === 'hexadecimal' || hexadecimal.length > 18) return hexadecimal;
  return BigInt(hexadecimal).toString();
}

/** What a person typed, as 64 bits: decimal, `0x`, or bare hexadecimal with a letter in it; `undefined` when it is none. */
export function parseNumber(text: string): bigint | undefined {
  const plain = text
    .trim()
    .replaceAll(/[_'\s]/g, '')
    .toLowerCase();
  const form = /^(0x[0-9a-f]+|[0-9]+)$/.test(plain) ? plain : /^[0-9a-f]+$/.test(plain) ? `0x${plain}` : undefined;
  if (form === undefined) return undefined;
  const value = BigInt(form);
  return value < 2n ** 64n ? value : undefined;
}

export const hexadecimal = (value: bigint | number, digits = 1): string => `0x${value.toString(16).padStart(digits, '0')}`;

/** A span of time in its best unit. */
export function shownTime(nanoseconds: number): string {
  if (nanoseconds < 1000) return `${Math.round(nanoseconds)} ns`;
  if (nanoseconds < 1e6) return `${(nanoseconds / 1e3).toFixed(nanoseconds < 1e4 ? 2 : 1)} µs`;
  if (nanoseconds < 1e9) return `${(nanoseconds / 1e6).toFixed(nanoseconds < 1e7 ? 2 : 1)} ms`;
  return `${(nanoseconds / 1e9).toFixed(3)} s`;
}

export function shownBytes(bytes: number): string {
  if (bytes >= 2 ** 30) return `${+(bytes / 2 ** 30).toFixed(2)} GiB`;
  if (bytes >= 2 ** 20) return `${+(bytes / 2 ** 20).toFixed(2)} MiB`;
  return bytes >= 1024 ? `${+(bytes / 1024).toFixed(1)} KiB` : `${bytes} B`;
}
