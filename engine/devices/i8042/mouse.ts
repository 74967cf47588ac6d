/**
 * A PS/2 mouse that becomes an IntelliMouse with wheel, or with wheel and five buttons, when its driver knocks. Spec: IBM PS/2 Technical
 * Reference, mouse; Microsoft, IntelliMouse protocol. Moves add up until the guest has read the last report.
 */
import type { MachineClock, Timer } from '../../base/index.ts';
import { Answer, Mouse } from './spec.ts';

interface Queue {
  readonly length: number;
  readonly depth: number;
  push(byte: number): boolean;
  clear(): void;
}

export interface MouseState {
  readonly mouse: Queue;
  mouseCommand: number;
  mouseReporting: boolean;
  mouseRemote: boolean;
  mouseDouble: boolean;
  mouseRate: number;
  mouseResolution: number;
  buttons: number;
  mouseWrap: boolean;
  mouseId: number;
  readonly knock: Uint8Array;
  moveX: bigint;
  moveY: bigint;
  moveWheel: bigint;
  buttonsTold: number;
  reportAt: bigint;
}

export const MOUSE_RATE = 100;
export const MOUSE_RESOLUTION = 2;
/** Most counts that wait for the guest, either way. */
export const MOST_COUNTS = 4096n;

const MouseId = { Plain: 0, Wheel: 3, FiveButtons: 4 } as const;
/** Sample rates in this order turn the mouse into another. */
const KNOCKS = [
  { rates: [200, 100, 80], id: MouseId.Wheel },
  { rates: [200, 200, 80], id: MouseId.FiveButtons },
] as const;

export interface Move {
  /** Counts, right and up positive. */
  readonly x: number;
  readonly y: number;
  /** Notches, towards the person positive. */
  readonly wheel: number;
  /** Held now: bit 0 left, 1 right, 2 middle, 3 and 4 the side buttons. */
  readonly buttons: number;
}

export interface PointerMouse {
  command(byte: number): void;
  /** False when nobody listens. */
  move(move: Move): boolean;
  /** Speak although nothing moved: the guest is to look at another pointer. Nothing when it is about to speak or nobody listens. */
  nudge(): void;
  /** The guest has read, or time has passed: send what has added up. */
  settle(): void;
  /** Arm the timer as the state says. */
  restored(): void;
}

export function createMouse(state: MouseState, timer: Timer, clock: MachineClock): PointerMouse {
  const send = (bytes: readonly number[]): boolean => {
    if (state.mouse.length + bytes.length > state.mouse.depth) return false;
    for (const byte of bytes) state.mouse.push(byte);
    return true;
  };
  const forget = () => {
    state.moveX = 0n;
    state.moveY = 0n;
    state.moveWheel = 0n;
    state.buttonsTold = state.buttons;
  };
  const defaults = () => {
    state.mouseReporting = false;
    state.mouseRemote = false;
    state.mouseDouble = false;
    state.mouseWrap = false;
    state.mouseRate = MOUSE_RATE;
    state.mouseResolution = MOUSE_RESOLUTION;
    forget();
    timer.cancel();
  };
  const status = (): number =>
    ((state.buttons & 1) << 2) |
    ((state.buttons & 4) >> 1) |
    ((state.buttons & 2) >> 1) |
    (state.mouseDouble ? 0x10 : 0) |
    (state.mouseReporting ? 0x20 : 0) |
    (state.mouseRemote ? 0x40 : 0);

  /** Takes as much of what has added up as one report holds. */
  const report = (scaled: boolean): number[] => {
    const x = part(state.moveX, 255n);
    const y = part(state.moveY, 255n);
    state.moveX -= x;
    state.moveY -= y;
    state.buttonsTold = state.buttons;
    const [dx, dy] = scaled ? [double(Number(x)), double(Number(y))] : [Number(x), Number(y)];
    const bytes = [0x08 | (state.buttons & 7) | (dx < 0 ? 0x10 : 0) | (dy < 0 ? 0x20 : 0), dx & 0xff, dy & 0xff];
    if (state.mouseId === MouseId.Plain) {
      state.moveWheel = 0n;
      return bytes;
    }
    const z = part(state.moveWheel, 7n);
    state.moveWheel -= z;
    const low = Number(z) & (state.mouseId === MouseId.Wheel ? 0xff : 0x0f);
    return [...bytes, state.mouseId === MouseId.Wheel ? low : low | ((state.buttons & 0x18) << 1)];
  };
  const waits = () => state.moveX !== 0n || state.moveY !== 0n || state.moveWheel !== 0n || state.buttons !== state.buttonsTold;

  /** A clock that went backwards does not silence the mouse for longer than one report takes. */
  const nextReport = () => Math.min(Number(state.reportAt), clock.now() + 1e9 / Math.max(state.mouseRate, 10));
  const silent = () => !state.mouseReporting || state.mouseRemote || state.mouseWrap || !waits() || state.mouse.length > 0;

  const settle = () => {
    if (silent()) {
      timer.cancel();
      return;
    }
    const now = clock.now();
    const next = nextReport();
    if (now < next) {
      timer.at(next);
      return;
    }
    state.reportAt = BigInt(Math.floor(now + 1e9 / Math.max(state.mouseRate, 10)));
    send(report(state.mouseDouble));
    timer.cancel(); // the rest follows when this one has been read
  };

  const parameter = (waiting: number, byte: number) => {
    if (waiting === Mouse.Resolution) state.mouseResolution = byte & 0x03;
    else {
      state.mouseRate = byte;
      state.knock.copyWithin(0, 1);
      state.knock[2] = byte;
      const knocked = KNOCKS.find(({ rates }) => rates.every((rate, i) => state.knock[i] === rate));
      if (knocked) state.mouseId = knocked.id;
    }
    send([Answer.Ack]);
  };

  const command = (byte: number) => {
    const waiting = state.mouseCommand;
    state.mouseCommand = 0;
    if (waiting !== 0) return parameter(waiting, byte);
    if (state.mouseWrap && byte !== Mouse.Reset && byte !== Mouse.Unwrap) return void send([byte]);
    switch (byte) {
      case Mouse.Scale11:
      case Mouse.Scale21:
        state.mouseDouble = byte === Mouse.Scale21;
        break;
      case Mouse.Resolution:
      case Mouse.Rate:
        state.mouseCommand = byte;
        break;
      case Mouse.Status:
        return void send([Answer.Ack, status(), state.mouseResolution, state.mouseRate]);
      case Mouse.Stream:
      case Mouse.Remote:
        state.mouseRemote = byte === Mouse.Remote;
        forget();
        break;
      case Mouse.Wrap:
      case Mouse.Unwrap:
        state.mouseWrap = byte === Mouse.Wrap;
        forget();
        break;
      case Mouse.Read:
        return void send([Answer.Ack, ...report(false)]);
      case Mouse.Identify:
        return void send([Answer.Ack, state.mouseId]);
      case Mouse.Enable:
      case Mouse.Disable:
        state.mouseReporting = byte === Mouse.Enable;
        forget();
        break;
      case Mouse.Defaults:
        defaults();
        break;
      case Mouse.Reset:
        defaults();
        state.mouseId = MouseId.Plain;
        state.mouse.clear();
        return void send([Answer.Ack, Answer.SelfTestPassed, MouseId.Plain]);
      default:
        return void send([Answer.Resend]);
    }
    send([Answer.Ack]);
  };

  return {
    command,
    settle,
    nudge: () => {
      if (state.mouseReporting && !state.mouseRemote && !state.mouseWrap && state.mouse.length === 0)
        send(report(state.mouseDouble));
    },
    restored: () => {
      if (silent()) timer.cancel();
      else timer.at(nextReport());
    },
    move: ({ x, y, wheel, buttons }) => {
      const listens = state.mouseReporting || state.mouseRemote;
      // A click that ends before its report is sent would be none: the report goes out first.
      const held = buttons & 0x1f;
      if (listens && state.mouseReporting && state.buttons !== state.buttonsTold && held !== state.buttons) {
        send(report(state.mouseDouble));
      }
      state.buttons = held;
      if (!listens) {
        state.buttonsTold = held;
        return false;
      }
      state.moveX = sum(state.moveX, x);
      state.moveY = sum(state.moveY, y);
      state.moveWheel = sum(state.moveWheel, wheel);
      settle();
      return true;
    },
  };
}

function sum(before: bigint, counts: number): bigint {
  const after = before + BigInt(Math.trunc(counts) || 0);
  return after > MOST_COUNTS ? MOST_COUNTS : after < -MOST_COUNTS ? -MOST_COUNTS : after;
}

function part(counts: bigint, most: bigint): bigint {
  return counts > most ? most : counts < -most ? -most : counts;
}

/** Scaling 2:1 (IBM PS/2 Technical Reference, mouse): small moves shrink, others double. */
function double(counts: number): number {
  const size = Math.abs(counts);
  const scaled = [0, 1, 1, 3, 6, 9][size] ?? size * 2;
  return Math.sign(counts) * Math.min(scaled, 255);
}
