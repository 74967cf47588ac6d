/**
 * INT 09h turns scan codes into words of the buffer in the data area, INT 16h gives them to programs. Sources: IBM PS/2 BIOS Interface
 * Technical Reference, INT 09h and 16h. The controller translates to scan set 1.
 */
import { Bda } from '../areas.ts';
import { Action, type Frame } from '../frame.ts';
import type { BiosHost, BiosIo, BiosMemory } from '../host.ts';
import { read8, read16, read32, write8, write16 } from '../words.ts';
import { Key, keyWord } from './key-codes.ts';

const DATA = 0x60;
const STATUS = 0x64;
const OUTPUT_FULL = 0x01;
const FROM_MOUSE = 0x20;
/** Polls of a controller that answers at once. */
const PATIENCE = 64;
/** Words of the largest buffer. */
const MOST_KEYS = 0x100;

/** 40:17 */
const Shift = { Right: 0x01, Left: 0x02, Control: 0x04, Alt: 0x08, Scroll: 0x10, Num: 0x20, Caps: 0x40, Insert: 0x80 } as const;
/** 40:18 */
const Held = {
  LeftControl: 0x01,
  LeftAlt: 0x02,
  SystemRequest: 0x04,
  Paused: 0x08,
  Scroll: 0x10,
  Num: 0x20,
  Caps: 0x40,
  Insert: 0x80,
} as const;
/** 40:96 */
const Mode = { PrefixE1: 0x01, PrefixE0: 0x02, RightControl: 0x04, RightAlt: 0x08, Extended: 0x10 } as const;

/** Room for words, as programs may have moved it; the standard place when that is nonsense. */
function bufferBounds(memory: BiosMemory): { start: number; end: number } {
  const start = read16(memory, Bda.BufferStartPointer);
  const end = read16(memory, Bda.BufferEndPointer);
  const sane = start < end && (end - start) % 2 === 0 && end - start <= 0x200;
  return sane ? { start, end } : { start: Bda.Buffer - 0x400, end: Bda.BufferEnd - 0x400 };
}

function nextOf(memory: BiosMemory, at: number): number {
  const { start, end } = bufferBounds(memory);
  return at + 2 >= end || at < start ? start : at + 2;
}

/** Put a word into the buffer; false when it is full. */
function storeKey(memory: BiosMemory, key: number): boolean {
  const tail = read16(memory, Bda.BufferTail);
  const next = nextOf(memory, tail);
  if (next === read16(memory, Bda.BufferHead)) return false;
  write16(memory, 0x400 + tail, key);
  write16(memory, Bda.BufferTail, next);
  return true;
}

/** The next word; undefined while there is none. */
function peekKey(memory: BiosMemory): number | undefined {
  const head = read16(memory, Bda.BufferHead);
  if (head === read16(memory, Bda.BufferTail)) return undefined;
  return read16(memory, 0x400 + head);
}

export function takeKey(memory: BiosMemory): number | undefined {
  const key = peekKey(memory);
  if (key !== undefined) write16(memory, Bda.BufferHead, nextOf(memory, read16(memory, Bda.BufferHead)));
  return key;
}

/** Wait for the controller's byte for the keyboard side, a bounded while. */
function answer(io: BiosIo): number | undefined {
  for (let i = 0; i < PATIENCE; i++) {
    const status = io.in(STATUS);
    if ((status & OUTPUT_FULL) === 0) return undefined;
    const byte = io.in(DATA);
    if ((status & FROM_MOUSE) === 0) return byte;
  }
  return undefined;
}

/** The keyboard's own start: reset, lights off, scanning, translated, interrupts on. */
export function startKeyboard({ io }: BiosHost): void {
  io.out(STATUS, 0xae);
  io.out(DATA, 0xff);
  answer(io);
  answer(io);
  io.out(DATA, 0xf4);
  answer(io);
}

function setLeds({ io, memory }: BiosHost): void {
  const locks = (read8(memory, Bda.ShiftFlags) >>> 4) & 7;
  if ((read8(memory, Bda.KeyboardLeds) & 7) === locks) return;
  write8(memory, Bda.KeyboardLeds, (read8(memory, Bda.KeyboardLeds) & ~7) | locks);
  // The answers are read here, while the interrupt of this very byte keeps the line busy.
  for (const byte of [0xed, locks]) {
    io.out(DATA, byte);
    answer(io);
  }
}

const AFTER_INTERCEPT = 1;
const AFTER_CALL = 2;

/** INT 09h. Programs may change or swallow the code through INT 15h 4Fh, which costs a second trap. */
export function keyboardInterrupt(host: BiosHost, f: Frame): void {
  const { io, memory } = host;
  if ((f.scratch & 3) === AFTER_CALL) {
    endInterrupt(io);
    return;
  }
  if ((f.scratch & 3) === AFTER_INTERCEPT) {
    const reset = f.callCarry && scanCode(host, f, f.argument & 0xff);
    if (!reset) endInterrupt(io);
    return;
  }
  const status = io.in(STATUS);
  if ((status & OUTPUT_FULL) === 0 || (status & FROM_MOUSE) !== 0) {
    endInterrupt(io);
    return;
  }
  const code = io.in(DATA);
  const vector = read32(memory, 0x15 * 4);
  f.again(Action.Call, AFTER_INTERCEPT, { segment: vector >>> 16, offset: vector & 0xffff, argument: 0x4f00 | code });
}

function endInterrupt(io: BiosIo): void {
  io.out(0x20, 0x20);
}

/** One byte of scan set 1. True when a software interrupt is to be called before the interrupt ends. */
function scanCode(host: BiosHost, f: Frame, code: number): boolean {
  const { memory } = host;
  const mode = read8(memory, Bda.KeyboardMode);
  if (code === 0xe0 || code === 0xe1) {
    write8(memory, Bda.KeyboardMode, mode | (code === 0xe0 ? Mode.PrefixE0 : Mode.PrefixE1));
    return false;
  }
  if (code === 0xfa || code === 0xfe || code === 0xee) return false;
  const extended = (mode & Mode.PrefixE0) !== 0;
  const pause = (mode & Mode.PrefixE1) !== 0;
  const released = (code & 0x80) !== 0;
  const scan = code & 0x7f;
  if (pause) {
    // E1 1D 45: the first of the two is the Control that is none.
    if (scan === Key.NumLock || released) write8(memory, Bda.KeyboardMode, mode & ~Mode.PrefixE1);
    if (scan === Key.NumLock && !released) write8(memory, Bda.ShiftFlags2, read8(memory, Bda.ShiftFlags2) | Held.Paused);
    return false;
  }
  write8(memory, Bda.KeyboardMode, mode & ~Mode.PrefixE0);
  if (shiftKey(host, { scan, released, extended })) return false;
  if (released) return false;
  const flags2 = read8(memory, Bda.ShiftFlags2);
  if (flags2 & Held.Paused) {
    write8(memory, Bda.ShiftFlags2, flags2 & ~Held.Paused);
    return false;
  }
  return pressed(host, f, { scan, extended });
}

interface Pressed {
  readonly scan: number;
  readonly extended: boolean;
}

function pressed(host: BiosHost, f: Frame, { scan, extended }: Pressed): boolean {
  const { memory, io } = host;
  const flags = read8(memory, Bda.ShiftFlags);
  const shifts = {
    shift: (flags & (Shift.Left | Shift.Right)) !== 0,
    control: (flags & Shift.Control) !== 0,
    alt: (flags & Shift.Alt) !== 0,
    caps: (flags & Shift.Caps) !== 0,
    num: (flags & Shift.Num) !== 0,
  };
  const callTo = (vector: number, argument: number) => {
    const to = read32(memory, vector * 4);
    f.again(Action.Call, AFTER_CALL, { segment: to >>> 16, offset: to & 0xffff, argument });
    return true;
  };
  if (shifts.control && shifts.alt && scan === Key.Delete) {
    write16(memory, Bda.ResetFlag, 0x1234);
    io.out(0xcf9, 0x02);
    io.out(0xcf9, 0x06);
    return false;
  }
  if (shifts.control && scan === Key.ScrollLock) {
    const { start } = bufferBounds(memory);
    write16(memory, Bda.BufferHead, start);
    write16(memory, Bda.BufferTail, start);
    write8(memory, Bda.Break, 0x80);
    storeKey(memory, 0);
    return callTo(0x1b, 0);
  }
  if (extended && scan === Key.PrintScreen) return shifts.alt || shifts.control ? false : callTo(0x05, 0);
  if (scan === Key.SystemRequest) return callTo(0x15, 0x8500);
  if (shifts.alt && !extended && scan >= 0x47 && scan <= Key.Insert && scan !== 0x4a && scan !== 0x4e) {
    const digit = [7, 8, 9, 0, 4, 5, 6, 0, 1, 2, 3, 0][scan - 0x47] ?? 0;
    write8(memory, Bda.AltNumber, (read8(memory, Bda.AltNumber) * 10 + digit) & 0xff);
    return false;
  }
  const key = keyWord(scan, shifts, extended);
  if (key !== 0) storeKey(memory, key);
  return false;
}

/** Shifts and locks change flags; true when the key was one of them. */
function shiftKey(host: BiosHost, { scan, released, extended }: Pressed & { readonly released: boolean }): boolean {
  const { memory } = host;
  const change = (at: number, bit: number, on: boolean) => {
    const before = read8(memory, at);
    write8(memory, at, on ? before | bit : before & ~bit);
  };
  const toggle = (flag: number, held: number) => {
    const already = (read8(memory, Bda.ShiftFlags2) & held) !== 0;
    change(Bda.ShiftFlags2, held, !released);
    if (!released && !already) {
      write8(memory, Bda.ShiftFlags, read8(memory, Bda.ShiftFlags) ^ flag);
      setLeds(host);
    }
  };
  switch (scan) {
    case Key.LeftShift:
    case Key.RightShift:
      // With a prefix it only frames a grey key.
      if (!extended) change(Bda.ShiftFlags, scan === Key.LeftShift ? Shift.Left : Shift.Right, !released);
      return true;
    case Key.Control: {
      change(extended ? Bda.KeyboardMode : Bda.ShiftFlags2, extended ? Mode.RightControl : Held.LeftControl, !released);
      const any = (read8(memory, Bda.KeyboardMode) & Mode.RightControl) | (read8(memory, Bda.ShiftFlags2) & Held.LeftControl);
      change(Bda.ShiftFlags, Shift.Control, any !== 0);
      return true;
    }
    case Key.Alt: {
      change(extended ? Bda.KeyboardMode : Bda.ShiftFlags2, extended ? Mode.RightAlt : Held.LeftAlt, !released);
      const any = (read8(memory, Bda.KeyboardMode) & Mode.RightAlt) | (read8(memory, Bda.ShiftFlags2) & Held.LeftAlt);
      change(Bda.ShiftFlags, Shift.Alt, any !== 0);
      const number = read8(memory, Bda.AltNumber);
      if (released && number !== 0) {
        write8(memory, Bda.AltNumber, 0);
        storeKey(memory, number);
      }
      return true;
    }
    case Key.CapsLock:
      toggle(Shift.Caps, Held.Caps);
      return true;
    case Key.NumLock:
      toggle(Shift.Num, Held.Num);
      return true;
    case Key.ScrollLock:
      if (read8(memory, Bda.ShiftFlags) & Shift.Control) return released;
      toggle(Shift.Scroll, Held.Scroll);
      return true;
    case Key.Insert:
      if (read8(memory, Bda.ShiftFlags) & (Shift.Control | Shift.Alt)) return released;
      toggle(Shift.Insert, Held.Insert);
      return released;
    default:
      return false;
  }
}

/** What programs before the 101-key keyboard may see of a word; undefined: nothing. */
function oldKey(key: number): number | undefined {
  const [scan, character] = [key >>> 8, key & 0xff];
  if (scan === 0xe0) return character === 0x2f ? 0x352f : 0x1c00 | character;
  if (character === 0xe0 && scan !== 0) return scan << 8;
  if (character === 0xf0 && scan !== 0) return undefined;
  return scan > 0x84 ? undefined : key;
}

/** INT 16h. */
export function keyboardService(host: BiosHost, f: Frame): void {
  const { memory } = host;
  switch (f.ah) {
    case 0x00:
    case 0x10: {
      const key = takeKey(memory);
      const given = key === undefined || f.ah === 0x10 ? key : oldKey(key);
      if (key === undefined) f.again(Action.Halt, 0);
      else if (given === undefined) f.again(Action.Spin, 0);
      else f.ax = f.ah === 0x10 && (given & 0xff) === 0xf0 && given >= 0x100 ? given & 0xff00 : given;
      return;
    }
    case 0x01:
    case 0x11: {
      let key = peekKey(memory);
      // Words an old program cannot see are taken out of its way; the buffer bounds how many.
      for (let i = 0; i < MOST_KEYS && f.ah === 0x01 && key !== undefined && oldKey(key) === undefined; i++) {
        takeKey(memory);
        key = peekKey(memory);
      }
      f.zero = key === undefined;
      if (key !== undefined) f.ax = f.ah === 0x01 ? (oldKey(key) ?? 0) : key;
      f.interrupts = true;
      return;
    }
    case 0x02:
      f.al = read8(memory, Bda.ShiftFlags);
      return;
    case 0x03:
      if (f.al === 5) setTypematic(host, f);
      return;
    case 0x05:
      f.al = storeKey(memory, f.cx) ? 0 : 1;
      return;
    case 0x09:
      f.al = 0x30; // functions 0A and 10h to 12h
      return;
    case 0x0a:
      f.bx = 0x83ab;
      return;
    case 0x12: {
      f.al = read8(memory, Bda.ShiftFlags);
      const flags2 = read8(memory, Bda.ShiftFlags2);
      const mode = read8(memory, Bda.KeyboardMode);
      f.ah = (flags2 & 0x73) | ((flags2 & Held.SystemRequest) << 5) | (mode & (Mode.RightControl | Mode.RightAlt));
      return;
    }
    case 0x92:
      f.ah = 0x80; // 12h is there
      return;
    case 0xa2:
      return;
  }
}

function setTypematic({ io }: BiosHost, f: Frame): void {
  const value = ((f.bh & 3) << 5) | (f.bl & 0x1f);
  for (const byte of [0xf3, value]) {
    io.out(DATA, byte);
    answer(io);
  }
}
