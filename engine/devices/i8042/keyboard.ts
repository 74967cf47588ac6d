/** An MF2 keyboard at the end of its cable: keys in, bytes and commands. Spec: IBM PS/2 Technical Reference, keyboard. */
import type { MachineClock, Timer } from '../../base/index.ts';
import { KEYS, type KeyCodes } from './keys.ts';
import { Answer, KEYBOARD_ID, Key, SET2_TO_SET1 } from './spec.ts';

interface Queue {
  readonly length: number;
  readonly depth: number;
  push(byte: number): boolean;
  clear(): void;
}

export interface KeyboardState {
  readonly keyboard: Queue;
  keyboardCommand: number;
  scanning: boolean;
  scanSet: number;
  leds: number;
  lastByte: number;
  typematic: number;
  heldKey: number;
  repeatAt: bigint;
  readonly keyKinds: Uint8Array;
}

/** Power-on: half a second, then 10.9 a second. */
export const TYPEMATIC = 0x2b;
/** What a key sends in set 3: its number in `keyKinds`; 0 as after power-on. */
const Kind = { AsMade: 0, Typematic: 1, MakeBreak: 2, Make: 3, All: 4 } as const;
const KINDS = { typematic: Kind.Typematic, 'make-break': Kind.MakeBreak, make: Kind.Make } as const;
const PAUSE = KEYS.findIndex(({ name }) => name === 'Pause');
const PRINT = KEYS.findIndex(({ name }) => name === 'PrintScreen');
/** PrintScreen comes with a shift that nobody holds, Pause as one sequence without release. */
const FAKE_SHIFT = 0xe012;

export interface Keyboard {
  /** Byte from the controller. */
  command(byte: number): void;
  /** A key by its number. False when it is dropped: the queue is full, or the keyboard is told not to scan. */
  key(number: number, down: boolean): boolean;
  /** The timer of the held key. */
  repeat(): void;
  /** Arm the timer as the state says. */
  restored(): void;
}

export function createKeyboard(state: KeyboardState, timer: Timer, clock: MachineClock): Keyboard {
  /** All of an event or nothing: half a scan code would change the meaning of the next. */
  const send = (bytes: readonly number[]): boolean => {
    if (state.keyboard.length + bytes.length > state.keyboard.depth) return false;
    for (const byte of bytes) state.keyboard.push(byte);
    return true;
  };
  const say = (...bytes: number[]) => {
    state.lastByte = bytes.at(-1) ?? 0;
    send(bytes);
  };
  const release = () => {
    state.heldKey = 0;
    timer.cancel();
  };
  const arm = (delay: number) => {
    state.repeatAt = BigInt(Math.floor(clock.now() + delay));
    timer.at(Number(state.repeatAt));
  };
  const defaults = () => {
    state.scanSet = 2;
    state.leds = 0;
    state.typematic = TYPEMATIC;
    state.keyKinds.fill(Kind.AsMade);
    release();
  };
  const kindOf = ({ set3, kind }: KeyCodes): number => state.keyKinds[set3] || KINDS[kind];

  const bytesOf = (number: number, down: boolean): number[] => {
    const key = KEYS[number] as KeyCodes;
    if (state.scanSet === 3) {
      const kind = kindOf(key);
      if (down) return [key.set3];
      return kind === Kind.MakeBreak || kind === Kind.All ? [0xf0, key.set3] : [];
    }
    const one = (code: number, press: boolean) => encode(state.scanSet, code, press);
    if (number === PAUSE) {
      if (!down) return [];
      return state.scanSet === 1 ? [0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5] : [0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77];
    }
    if (number !== PRINT) return one(key.set2, down);
    return down ? [...one(FAKE_SHIFT, true), ...one(key.set2, true)] : [...one(key.set2, false), ...one(FAKE_SHIFT, false)];
  };
  const repeats = (number: number): boolean => {
    if (number === PAUSE) return false;
    if (state.scanSet !== 3) return true;
    const kind = kindOf(KEYS[number] as KeyCodes);
    return kind === Kind.Typematic || kind === Kind.All;
  };

  /** The byte after a command that waits for one. True when it was taken as that. */
  const parameter = (waiting: number, byte: number): boolean => {
    if (waiting >= Key.SetTypematic && waiting <= Key.SetMake) {
      // Codes of keys until the next command.
      if (byte >= state.keyKinds.length) return false;
      state.keyKinds[byte] = { [Key.SetTypematic]: Kind.Typematic, [Key.SetMakeBreak]: Kind.MakeBreak }[waiting] ?? Kind.Make;
      state.keyboardCommand = waiting;
      say(Answer.Ack);
      return true;
    }
    if (byte >= 0x80) return false;
    if (waiting === Key.ScanSet && byte > 3) {
      say(Answer.Resend);
      return true;
    }
    say(Answer.Ack);
    if (waiting === Key.Leds) state.leds = byte & 0x07;
    else if (waiting === Key.Rate) state.typematic = byte;
    else if (byte === 0) say(state.scanSet);
    else {
      state.scanSet = byte;
      release();
    }
    return true;
  };

  const command = (byte: number) => {
    const waiting = state.keyboardCommand;
    state.keyboardCommand = 0;
    if (waiting !== 0 && parameter(waiting, byte)) return;
    switch (byte) {
      case Key.Leds:
      case Key.ScanSet:
      case Key.Rate:
      case Key.SetTypematic:
      case Key.SetMakeBreak:
      case Key.SetMake:
        state.keyboardCommand = byte;
        return say(Answer.Ack);
      case Key.AllTypematic:
      case Key.AllMakeBreak:
      case Key.AllMake:
      case Key.AllThree:
        state.keyKinds.fill(byte - Key.AllTypematic + Kind.Typematic);
        return say(Answer.Ack);
      case Key.Echo:
        return say(Answer.Echo);
      case Key.Identify:
        return say(Answer.Ack, ...KEYBOARD_ID);
      case Key.Enable:
        state.keyboard.clear();
        state.scanning = true;
        return say(Answer.Ack);
      case Key.DisableDefaults:
      case Key.Defaults:
        defaults();
        state.scanning = byte === Key.Defaults;
        return say(Answer.Ack);
      case Key.Again:
        send([state.lastByte]);
        return;
      case Key.Reset:
        defaults();
        state.scanning = true;
        state.keyboard.clear();
        return say(Answer.Ack, Answer.SelfTestPassed);
      default:
        return say(Answer.Resend);
    }
  };

  return {
    command,
    key: (number, down) => {
      if (!state.scanning || KEYS[number] === undefined) return false;
      if (!down && state.heldKey === number + 1) release();
      const taken = send(bytesOf(number, down));
      if (taken && down && repeats(number)) {
        state.heldKey = number + 1;
        arm((1 + ((state.typematic >>> 5) & 3)) * 250e6);
      } else if (taken && down) release();
      return taken;
    },
    repeat: () => {
      const number = state.heldKey - 1;
      if (!state.scanning || KEYS[number] === undefined) return release();
      // A guest that does not read misses repetitions, as with a keyboard of its own.
      if (state.keyboard.length === 0) send(bytesOf(number, true));
      arm((8 + (state.typematic & 7)) * 2 ** ((state.typematic >>> 3) & 3) * 4.17e6);
    },
    restored: () => {
      if (state.heldKey === 0) timer.cancel();
      else timer.at(Number(state.repeatAt));
    },
  };
}

/** One code of set 2, pressed or released, as set 2 or 1 sends it. */
function encode(scanSet: number, code: number, press: boolean): number[] {
  const prefix = code > 0xff ? [0xe0] : [];
  const low = code & 0xff;
  if (scanSet === 1) return [...prefix, (SET2_TO_SET1[low] ?? low) | (press ? 0 : 0x80)];
  return press ? [...prefix, low] : [...prefix, 0xf0, low];
}
