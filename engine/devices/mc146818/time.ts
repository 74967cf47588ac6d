/** Civil time in the clock's registers: binary or BCD, 12 or 24 hours. */
import { B, Index, PM } from './spec.ts';

export const bcd = (value: number): number => ((Math.floor(value / 10) % 10) << 4) | (value % 10);
const fromBcd = (byte: number): number => (byte >>> 4) * 10 + (byte & 0x0f);

/** Registers of time in the order they are packed while the clock is set. */
export const TIME_REGISTERS: readonly number[] = [
  Index.Seconds,
  Index.Minutes,
  Index.Hours,
  Index.Weekday,
  Index.Day,
  Index.Month,
  Index.Year,
  Index.Century,
];

const encode = (value: number, b: number): number => (b & B.Binary ? value : bcd(value));
const decode = (byte: number, b: number): number => (b & B.Binary ? byte : fromBcd(byte));

function encodeHours(hours: number, b: number): number {
  if (b & B.Hours24) return encode(hours, b);
  return encode(hours % 12 || 12, b) | (hours >= 12 ? PM : 0);
}

function decodeHours(byte: number, b: number): number {
  if (b & B.Hours24) return decode(byte, b);
  return (decode(byte & ~PM & 0xff, b) % 12) + (byte & PM ? 12 : 0);
}

/** The register bytes for `seconds` since 1970, in the order of `TIME_REGISTERS`. */
export function toRegisters(seconds: number, b: number): number[] {
  const date = new Date(seconds * 1000);
  const year = date.getUTCFullYear();
  return [
    encode(date.getUTCSeconds(), b),
    encode(date.getUTCMinutes(), b),
    encodeHours(date.getUTCHours(), b),
    encode(date.getUTCDay() + 1, b),
    encode(date.getUTCDate(), b),
    encode(date.getUTCMonth() + 1, b),
    encode(year % 100, b),
    bcd(Math.floor(year / 100) % 100), // firmware keeps the century, always in BCD
  ];
}

/** Seconds since 1970 for register bytes; values beyond a calendar's range carry over, as they would count on in the chip. */
export function fromRegisters(registers: readonly number[], b: number): number {
  const at = (i: number) => registers[i] ?? 0;
  const year = fromBcd(at(7)) * 100 + decode(at(6), b);
  const time = Date.UTC(2000, decode(at(5), b) - 1, decode(at(4), b), decodeHours(at(2), b), decode(at(1), b), decode(at(0), b));
  const date = new Date(time);
  // Date.UTC would take a year below 100 for one of the last century.
  date.setUTCFullYear(date.getUTCFullYear() + year - 2000);
  return Math.floor(date.getTime() / 1000);
}
