/** Civil time in the clock's registers: binary or BCD, 12 or 24 hours. */
import { ALARM_ANY, B, Index, PM } from './spec.ts';

const bcd = (value: number): number => ((Math.floor(value / 10) % 10) << 4) | (value % 10);
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

const MONTHS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;
const DAY = 86_400;
/** Days from the first of January of year 1 to that of 1970, and the weekday of the former (Monday, with Sunday as 0). */
const EPOCH = 719_162;
const FIRST_WEEKDAY = 1;

const isLeap = (year: number): boolean => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
/** Days before the first of January of `year` in the Gregorian calendar, counted from year 1. */
function daysBefore(year: number): number {
  const past = year - 1;
  return 365 * past + Math.floor(past / 4) - Math.floor(past / 100) + Math.floor(past / 400);
}
const daysIn = (month: number, year: number): number => (MONTHS[month] ?? 31) + (month === 1 && isLeap(year) ? 1 : 0);

/** Year, month (0..11) and day of the month (1..31) of a day counted from the first of January of year 1. */
function dateOf(day: number): readonly [year: number, month: number, day: number] {
  let year = Math.floor(day / 365.2425) + 1;
  if (daysBefore(year + 1) <= day) year++;
  if (daysBefore(year) > day) year--;
  let rest = day - daysBefore(year);
  let month = 0;
  while (rest >= daysIn(month, year)) rest -= daysIn(month++, year);
  return [year, month, rest + 1];
}

/** The register bytes for `seconds` since 1970, in the order of `TIME_REGISTERS`. */
export function toRegisters(seconds: number, b: number): number[] {
  const days = Math.floor(seconds / DAY);
  const within = seconds - days * DAY;
  const [year, month, day] = dateOf(days + EPOCH);
  return [
    encode(within % 60, b),
    encode(Math.floor(within / 60) % 60, b),
    encodeHours(Math.floor(within / 3600), b),
    encode(((days + EPOCH + FIRST_WEEKDAY) % 7) + 1, b),
    encode(day, b),
    encode(month + 1, b),
    encode(year % 100, b),
    bcd(Math.floor(year / 100) % 100), // firmware keeps the century, always in BCD
  ];
}

/** Seconds since 1970 for register bytes; values beyond a calendar's range carry over, as they would count on in the chip. */
export function fromRegisters(registers: readonly number[], b: number): number {
  const at = (i: number) => registers[i] ?? 0;
  const months = decode(at(5), b) - 1;
  const year = fromBcd(at(7)) * 100 + decode(at(6), b) + Math.floor(months / 12);
  const month = ((months % 12) + 12) % 12;
  let days = daysBefore(year) - EPOCH + decode(at(4), b) - 1;
  for (let before = 0; before < month; before++) days += daysIn(before, year);
  return ((days * 24 + decodeHours(at(2), b)) * 60 + decode(at(1), b)) * 60 + decode(at(0), b);
}

/** The alarm bytes of the clock. */
export interface Alarm {
  readonly seconds: number;
  readonly minutes: number;
  readonly hours: number;
}

/** Values below `count` that an alarm byte matches. */
function matching(byte: number, count: number, encoded: (value: number) => number): number[] {
  const any = (byte & ALARM_ANY) === ALARM_ANY;
  return Array.from({ length: count }, (_, value) => value).filter((value) => any || encoded(value) === byte);
}

/** The first second after `from` (both since 1970) at which the alarm rings, within a day; undefined when its bytes match no time. */
export function nextAlarm(from: number, alarm: Alarm, b: number): number | undefined {
  const hours = matching(alarm.hours, 24, (value) => encodeHours(value, b));
  const minutes = matching(alarm.minutes, 60, (value) => encode(value, b));
  const seconds = matching(alarm.seconds, 60, (value) => encode(value, b));
  const earliest = from + 1;
  const today = Math.floor(earliest / DAY) * DAY;
  for (const day of [today, today + DAY]) {
    for (const hour of hours) {
      const inHour = day + hour * 3600;
      if (inHour + 3599 < earliest) continue;
      for (const minute of minutes) {
        const inMinute = inHour + minute * 60;
        if (inMinute + 59 < earliest) continue;
        for (const second of seconds) if (inMinute + second >= earliest) return inMinute + second;
      }
    }
  }
  return undefined;
}
