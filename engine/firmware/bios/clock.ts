/** INT 1Ah and INT 70h: time of day, the battery clock and its alarm; waiting by it. Source: IBM AT and PS/2 BIOS references. */
import { Bda } from './areas.ts';
import { Action, type Frame } from './frame.ts';
import type { BiosHost, BiosIo } from './host.ts';
import { type PciRegisters, pciBios } from './pci.ts';
import { optionsInRealMode } from './pci-options.ts';
import { linear, read8, read16, read32, write8, write32 } from './words.ts';

const Rtc = {
  Seconds: 0,
  SecondsAlarm: 1,
  Minutes: 2,
  MinutesAlarm: 3,
  Hours: 4,
  HoursAlarm: 5,
  Day: 7,
  Month: 8,
  Year: 9,
  A: 10,
  B: 11,
  C: 12,
  Century: 0x32,
} as const;
const B = { Set: 0x80, Periodic: 0x40, Alarm: 0x20, Hours24: 0x02, DaylightSaving: 0x01 } as const;
const UPDATING = 0x80;
const WAIT_ACTIVE = 0x01;
const TICKS_A_DAY = 0x1800b0;
/** Ticks a second times 65536 / 1193180. */
const PIT_HZ = 1_193_182;

function readCmos(io: BiosIo, index: number): number {
  io.out(0x70, index);
  return io.in(0x71);
}
export function writeCmos(io: BiosIo, index: number, value: number): void {
  io.out(0x70, index);
  io.out(0x71, value & 0xff);
}

const fromBcd = (value: number): number => (value >>> 4) * 10 + (value & 0x0f);

/** The tick count of the time of day, for the start. */
export function ticksOfDay(io: BiosIo): number {
  const [hours, minutes, seconds] = [Rtc.Hours, Rtc.Minutes, Rtc.Seconds].map((index) => fromBcd(readCmos(io, index)));
  const total = ((hours ?? 0) * 60 + (minutes ?? 0)) * 60 + (seconds ?? 0);
  return Math.floor((total * PIT_HZ) / 65536) % TICKS_A_DAY;
}

const unmask = (io: BiosIo): void => io.out(0xa1, io.in(0xa1) & ~0x01);

export function timeService(host: BiosHost, f: Frame): void {
  const { io, memory } = host;
  switch (f.ah) {
    case 0x00: {
      const ticks = read32(memory, Bda.Ticks);
      f.al = read8(memory, Bda.Midnight);
      f.cx = ticks >>> 16;
      f.dx = ticks & 0xffff;
      write8(memory, Bda.Midnight, 0);
      return;
    }
    case 0x01:
      write32(memory, Bda.Ticks, f.cx * 0x10000 + f.dx);
      write8(memory, Bda.Midnight, 0);
      f.ah = 0;
      f.carry = false;
      return;
    case 0x02:
    case 0x04: {
      f.carry = (readCmos(io, Rtc.A) & UPDATING) !== 0;
      // An update lasts two milliseconds: the caller waits them out here.
      if (f.carry) {
        f.again(Action.Spin, 0);
        return;
      }
      if (f.ah === 0x02) {
        f.ch = readCmos(io, Rtc.Hours);
        f.cl = readCmos(io, Rtc.Minutes);
        f.dh = readCmos(io, Rtc.Seconds);
        f.dl = readCmos(io, Rtc.B) & B.DaylightSaving;
      } else {
        f.ch = readCmos(io, Rtc.Century);
        f.cl = readCmos(io, Rtc.Year);
        f.dh = readCmos(io, Rtc.Month);
        f.dl = readCmos(io, Rtc.Day);
      }
      f.ah = 0;
      return;
    }
    case 0x03:
    case 0x05: {
      const before = readCmos(io, Rtc.B);
      writeCmos(io, Rtc.B, before | B.Set);
      if (f.ah === 0x03) {
        writeCmos(io, Rtc.Hours, f.ch);
        writeCmos(io, Rtc.Minutes, f.cl);
        writeCmos(io, Rtc.Seconds, f.dh);
        writeCmos(io, Rtc.B, ((before & ~B.Set & ~B.DaylightSaving) | B.Hours24 | (f.dl & 1)) & 0xff);
      } else {
        writeCmos(io, Rtc.Century, f.ch);
        writeCmos(io, Rtc.Year, f.cl);
        writeCmos(io, Rtc.Month, f.dh);
        writeCmos(io, Rtc.Day, f.dl);
        writeCmos(io, Rtc.B, before & ~B.Set);
      }
      f.ah = 0;
      f.carry = false;
      return;
    }
    case 0x06: {
      const before = readCmos(io, Rtc.B);
      if (before & B.Alarm) {
        f.carry = true;
        return;
      }
      writeCmos(io, Rtc.HoursAlarm, f.ch);
      writeCmos(io, Rtc.MinutesAlarm, f.cl);
      writeCmos(io, Rtc.SecondsAlarm, f.dh);
      writeCmos(io, Rtc.B, (before & ~B.Set) | B.Alarm);
      unmask(io);
      f.ah = 0;
      f.carry = false;
      return;
    }
    case 0x07:
      writeCmos(io, Rtc.B, readCmos(io, Rtc.B) & ~B.Alarm);
      f.ah = 0;
      f.carry = false;
      return;
    case 0xb1: {
      const registers: PciRegisters = { eax: f.eax, ebx: f.ebx, ecx: f.ecx, edx: f.edx, esi: f.esi, edi: f.edi };
      pciBios(io, registers, { giveOptions: () => optionsInRealMode(memory, f.es * 16 + f.di) });
      f.eax = registers.eax;
      f.ebx = registers.ebx;
      f.ecx = registers.ecx;
      f.edx = registers.edx;
      f.carry = ((registers.eax >>> 8) & 0xff) !== 0;
      return;
    }
    default:
      f.carry = true;
      f.ah = 0x86;
  }
}

/** INT 70h. The periodic interrupt counts a wait down; the alarm calls INT 4Ah. */
export function clockInterrupt(host: BiosHost, f: Frame): void {
  const { io, memory } = host;
  if (f.scratch !== 0) return;
  const events = readCmos(io, Rtc.C);
  if (events & B.Periodic && read8(memory, Bda.WaitActive) & WAIT_ACTIVE) countDown(host);
  io.out(0xa0, 0x20);
  io.out(0x20, 0x20);
  if (!(events & B.Alarm)) return;
  const vector = read32(memory, 0x4a * 4);
  if (vector === 0) return;
  f.again(Action.Call, 1, { segment: vector >>> 16, offset: vector & 0xffff, argument: 0 });
}

const WAIT_COUNT = Bda.WaitFlagPointer + 4;
/** A period of the clock's 1024 Hz in microseconds. */
const PERIOD = 976;

function countDown({ io, memory }: BiosHost): void {
  const left = read32(memory, WAIT_COUNT);
  if (left > PERIOD) {
    write32(memory, WAIT_COUNT, left - PERIOD);
    return;
  }
  const flag = linear(read16(memory, Bda.WaitFlagPointer + 2), read16(memory, Bda.WaitFlagPointer));
  write8(memory, flag, read8(memory, flag) | 0x80);
  write8(memory, Bda.WaitActive, 0);
  writeCmos(io, Rtc.B, readCmos(io, Rtc.B) & ~B.Periodic);
}

/** INT 15h 83h: set bit 7 of the byte at ES:BX after CX:DX microseconds; AL = 1 gives up. */
export function eventWait({ io, memory }: BiosHost, f: Frame): void {
  const active = (read8(memory, Bda.WaitActive) & WAIT_ACTIVE) !== 0;
  if (f.al === 1) {
    write8(memory, Bda.WaitActive, 0);
    writeCmos(io, Rtc.B, readCmos(io, Rtc.B) & ~B.Periodic);
    f.carry = false;
  } else if (f.al === 0 && !active) {
    write32(memory, Bda.WaitFlagPointer, f.es * 0x10000 + f.bx);
    write32(memory, WAIT_COUNT, f.cx * 0x10000 + f.dx);
    write8(memory, Bda.WaitActive, WAIT_ACTIVE);
    writeCmos(io, Rtc.B, readCmos(io, Rtc.B) | B.Periodic);
    unmask(io);
    f.carry = false;
  } else f.carry = true;
  f.ah = 0;
}
