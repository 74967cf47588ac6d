/**
 * Keyboard controller with an MF2 keyboard and a three-button mouse, and the chip set's port 92h. Spec: IBM PS/2 Technical Reference;
 * Intel 82371SB section 2.5.4.6. The controller works at once: its input buffer is never seen full.
 *
 * Threats: the guest controls every byte; each command does a bounded amount of work and queues hold 32 bytes at most.
 * The person at the screen controls keys and mouse moves; what does not fit is dropped as a whole event.
 * Restored state is bounded by masks; a wrong command in progress only swallows one byte.
 */
import { bool, fifo8, u8 } from '../../state/index.ts';
import { defineDevice } from '../device.ts';
import { a20Gate, machineSignals } from '../signals.ts';
import {
  Answer,
  Command,
  KEYBOARD_ID,
  Key,
  Mode,
  Mouse,
  Output,
  Port92,
  SELF_TEST_PASSED,
  SET2_TO_SET1,
  Status,
} from './spec.ts';

const QUEUE = 32;
const NONE = 0;
const MOUSE_RATE = 100;
const MOUSE_RESOLUTION = 2;

export const i8042 = defineDevice({
  type: 'i8042',
  ports: { data: 1, control: 1, port92: 1 },
  irqs: ['keyboard', 'mouse'],
  needs: { a20: a20Gate, signals: machineSignals },
  state: {
    mode: u8({ id: 1, mask: Mode.All, doc: 'Controller command byte' }),
    command: u8({ id: 2, doc: 'Controller command that waits for its byte at port 60h, 0: none' }),
    lastWasCommand: bool({ id: 3, doc: 'The last write went to port 64h' }),
    output: u8({ id: 4, doc: 'Byte to be read at port 60h' }),
    full: bool({ id: 5, doc: 'The output buffer holds a byte' }),
    fromMouse: bool({ id: 6, doc: 'The byte in the output buffer is the mouse side' }),
    controller: fifo8({ id: 7, depth: 4, doc: 'Answers of the controller itself' }),
    keyboard: fifo8({ id: 8, depth: QUEUE, doc: 'Bytes of the keyboard, scan set 2 as on its cable' }),
    mouse: fifo8({ id: 9, depth: QUEUE, doc: 'Bytes of the mouse' }),
    keyboardCommand: u8({ id: 10, doc: 'Keyboard command that waits for its parameter' }),
    mouseCommand: u8({ id: 11, doc: 'Mouse command that waits for its parameter' }),
    scanning: bool({ id: 12, reset: true, doc: 'The keyboard sends keys' }),
    scanSet: u8({ id: 13, reset: 2, range: [1, 3], doc: 'Scan set of the keyboard' }),
    leds: u8({ id: 14, mask: 0x07, doc: 'Lights: scroll, num, caps' }),
    translateBreak: bool({ id: 15, doc: 'A break prefix of set 2 awaits its code' }),
    mouseReporting: bool({ id: 16, doc: 'The mouse sends moves by itself' }),
    mouseRemote: bool({ id: 17, doc: 'The mouse sends moves only when asked' }),
    mouseDouble: bool({ id: 18, doc: 'Scaling 2:1' }),
    mouseRate: u8({ id: 19, reset: MOUSE_RATE, doc: 'Reports a second' }),
    mouseResolution: u8({ id: 20, reset: MOUSE_RESOLUTION, mask: 0x03, doc: 'Counts a millimetre, as a power of two' }),
    buttons: u8({ id: 21, mask: 0x07, doc: 'Buttons held: left, right, middle' }),
    port92: u8({ id: 22, reset: Port92.A20, mask: Port92.Kept, doc: 'Port 92h; bit 1 opens A20' }),
    p2A20: bool({ id: 23, reset: true, doc: 'A20 bit of the output port' }),
  },
  create({ state, irqs, a20, signals }) {
    const gate = () => a20.set(state.p2A20 || (state.port92 & Port92.A20) !== 0);

    /** One byte of the keyboard as the controller passes it on; undefined for a prefix that is swallowed. */
    const translate = (byte: number): number | undefined => {
      if (!(state.mode & Mode.Translate)) return byte;
      if (byte === 0xf0) {
        state.translateBreak = true;
        return undefined;
      }
      const code = SET2_TO_SET1[byte] ?? byte;
      const released = state.translateBreak ? 0x80 : 0;
      state.translateBreak = false;
      return code | released;
    };

    const present = (byte: number, fromMouse: boolean) => {
      state.output = byte;
      state.full = true;
      state.fromMouse = fromMouse;
    };
    /** Move the next waiting byte into the output buffer: controller first, then keyboard, then mouse. */
    const fill = () => {
      while (!state.full) {
        const own = state.controller.shift();
        if (own !== undefined) present(own, false);
        else if (state.keyboard.length > 0 && !(state.mode & Mode.KeyboardOff)) {
          const code = translate(state.keyboard.shift() ?? 0);
          if (code !== undefined) present(code, false);
        } else if (state.mouse.length > 0 && !(state.mode & Mode.MouseOff)) present(state.mouse.shift() ?? 0, true);
        else return;
      }
    };
    const drive = () => {
      irqs.keyboard.set(state.full && !state.fromMouse && (state.mode & Mode.KeyboardIrq) !== 0);
      irqs.mouse.set(state.full && state.fromMouse && (state.mode & Mode.MouseIrq) !== 0);
    };
    const settle = () => {
      fill();
      drive();
    };

    /** All of an event or nothing: half a scan code would change the meaning of the next. */
    const queue = (to: { length: number; depth: number; push(byte: number): boolean }, bytes: readonly number[]): boolean => {
      if (to.length + bytes.length > to.depth) return false;
      for (const byte of bytes) to.push(byte);
      return true;
    };

    const keyboardDefaults = () => {
      state.scanSet = 2;
      state.leds = 0;
    };
    const toKeyboard = (byte: number) => {
      const say = (...bytes: number[]) => queue(state.keyboard, bytes);
      const waiting = state.keyboardCommand;
      state.keyboardCommand = NONE;
      if (waiting !== NONE && byte < 0x80) {
        say(Answer.Ack);
        if (waiting === Key.Leds) state.leds = byte & 0x07;
        else if (waiting === Key.ScanSet && byte === 0) say(state.scanSet);
        else if (waiting === Key.ScanSet && byte <= 3) state.scanSet = byte;
        return;
      }
      switch (byte) {
        case Key.Leds:
        case Key.ScanSet:
        case Key.Rate:
          state.keyboardCommand = byte;
          return void say(Answer.Ack);
        case Key.Echo:
          return void say(Answer.Echo);
        case Key.Identify:
          return void say(Answer.Ack, ...KEYBOARD_ID);
        case Key.Enable:
          state.scanning = true;
          return void say(Answer.Ack);
        case Key.DisableDefaults:
        case Key.Defaults:
          keyboardDefaults();
          state.scanning = byte === Key.Defaults;
          return void say(Answer.Ack);
        case Key.Reset:
          keyboardDefaults();
          state.scanning = true;
          state.keyboard.clear();
          return void say(Answer.Ack, Answer.SelfTestPassed);
        default:
          return void say(Answer.Resend);
      }
    };

    const mouseDefaults = () => {
      state.mouseReporting = false;
      state.mouseRemote = false;
      state.mouseDouble = false;
      state.mouseRate = MOUSE_RATE;
      state.mouseResolution = MOUSE_RESOLUTION;
    };
    const mouseStatus = (): number =>
      ((state.buttons & 1) << 2) |
      ((state.buttons & 4) >> 1) |
      ((state.buttons & 2) >> 1) |
      (state.mouseDouble ? 0x10 : 0) |
      (state.mouseReporting ? 0x20 : 0) |
      (state.mouseRemote ? 0x40 : 0);
    const toMouse = (byte: number) => {
      const say = (...bytes: number[]) => queue(state.mouse, bytes);
      const waiting = state.mouseCommand;
      state.mouseCommand = NONE;
      if (waiting !== NONE) {
        if (waiting === Mouse.Rate) state.mouseRate = byte;
        else state.mouseResolution = byte & 0x03;
        say(Answer.Ack);
        return;
      }
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
          return void say(Answer.Ack, mouseStatus(), state.mouseResolution, state.mouseRate);
        case Mouse.Stream:
        case Mouse.Remote:
          state.mouseRemote = byte === Mouse.Remote;
          break;
        case Mouse.Read:
          return void say(Answer.Ack, 0x08 | state.buttons, 0, 0);
        case Mouse.Identify:
          return void say(Answer.Ack, 0x00);
        case Mouse.Enable:
        case Mouse.Disable:
          state.mouseReporting = byte === Mouse.Enable;
          break;
        case Mouse.Defaults:
          mouseDefaults();
          break;
        case Mouse.Reset:
          mouseDefaults();
          state.mouse.clear();
          return void say(Answer.Ack, Answer.SelfTestPassed, 0x00);
        default:
          return void say(Answer.Resend);
      }
      say(Answer.Ack);
    };

    const writeOutput = (value: number) => {
      state.p2A20 = (value & Output.A20) !== 0;
      gate();
      if (!(value & Output.NotReset)) signals.reset();
    };
    const outputPort = (): number =>
      Output.NotReset |
      Output.Unused |
      (state.p2A20 ? Output.A20 : 0) |
      (state.full ? (state.fromMouse ? Output.MouseFull : Output.KeyboardFull) : 0);

    /** Give `byte` as the controller's answer. */
    const answer = (byte: number) => state.controller.push(byte);

    /** The byte that a command of two bytes was waiting for. */
    const finish = (command: number, byte: number) => {
      if (command === Command.WriteMode) state.mode = byte & Mode.All;
      else if (command === Command.WriteOutput) writeOutput(byte);
      else if (command === Command.LoopKeyboard) answer(byte);
      else if (command === Command.LoopMouse)
        present(byte, true); // though the mouse be switched off
      else if (command === Command.ToMouse) {
        state.mode &= ~Mode.MouseOff;
        toMouse(byte);
      }
    };
    const begin = (command: number) => {
      state.command = NONE;
      switch (command) {
        case Command.ReadMode:
          return void answer(state.mode);
        case Command.WriteMode:
        case Command.WriteOutput:
        case Command.LoopKeyboard:
        case Command.LoopMouse:
        case Command.ToMouse:
          state.command = command;
          return;
        case Command.MouseOff:
        case Command.MouseOn:
          state.mode = command === Command.MouseOff ? state.mode | Mode.MouseOff : state.mode & ~Mode.MouseOff;
          return;
        case Command.KeyboardOff:
        case Command.KeyboardOn:
          state.mode = command === Command.KeyboardOff ? state.mode | Mode.KeyboardOff : state.mode & ~Mode.KeyboardOff;
          return;
        case Command.TestMouse:
        case Command.TestKeyboard:
          return void answer(0x00);
        case Command.SelfTest:
          state.mode |= Mode.System;
          return void answer(SELF_TEST_PASSED);
        case Command.ReadInput:
          return void answer(0x80);
        case Command.ReadOutput:
          return void answer(outputPort());
        case Command.A20Off:
        case Command.A20On:
          state.p2A20 = command === Command.A20On;
          return gate();
        default:
          // F0-FF pulse the output lines whose bit is zero; line 0 is the processor's reset.
          if (command >= 0xf0 && !(command & 1)) signals.reset();
      }
    };

    return {
      regions: {
        data: {
          read: () => {
            const byte = state.output;
            state.full = false;
            drive(); // the line drops before the next byte raises it
            settle();
            return byte;
          },
          write: (_at, value) => {
            const byte = value & 0xff;
            const command = state.command;
            state.lastWasCommand = false;
            state.command = NONE;
            if (command !== NONE) finish(command, byte);
            else {
              state.mode &= ~Mode.KeyboardOff;
              toKeyboard(byte);
            }
            settle();
          },
        },
        control: {
          read: () =>
            Status.Unlocked |
            (state.mode & Mode.System) |
            (state.lastWasCommand ? Status.Command : 0) |
            (state.full ? Status.OutputFull : 0) |
            (state.full && state.fromMouse ? Status.FromMouse : 0),
          write: (_at, value) => {
            state.lastWasCommand = true;
            begin(value & 0xff);
            settle();
          },
        },
        port92: {
          read: () => state.port92,
          write: (_at, value) => {
            state.port92 = value & Port92.Kept;
            gate();
            if (value & Port92.Reset) signals.reset();
          },
        },
      },
      restored: () => {
        gate();
        drive();
      },
      api: {
        /** A key event in scan set 2, all its bytes. False when the keyboard is full or does not scan. */
        key: (bytes: readonly number[]): boolean => {
          const taken = state.scanning && queue(state.keyboard, bytes);
          settle();
          return taken;
        },
        /** A move in counts, -255 to 255, right and up positive, with the buttons held now. False when it had to be dropped. */
        move: (dx: number, dy: number, buttons: number): boolean => {
          state.buttons = buttons & 0x07;
          if (!state.mouseReporting || state.mouseRemote) return false;
          const [x, y] = [Math.trunc(dx), Math.trunc(dy)].map((n) => Math.max(-255, Math.min(255, n))) as [number, number];
          const taken = queue(state.mouse, [0x08 | state.buttons | (x < 0 ? 0x10 : 0) | (y < 0 ? 0x20 : 0), x & 0xff, y & 0xff]);
          settle();
          return taken;
        },
      },
    };
  },
});
