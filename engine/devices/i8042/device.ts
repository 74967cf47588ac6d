/**
 * Keyboard controller with an MF2 keyboard and a wheel mouse, and the chip set's port 92h. Spec: IBM PS/2 Technical Reference;
 * Intel 82371SB section 2.5.4.6. The controller works at once: its input buffer is never seen full.
 *
 * Threats: the guest controls every byte; each command does a bounded amount of work and queues hold 32 bytes at most.
 * The person at the screen controls keys and mouse moves; a key that does not fit is dropped as a whole, moves add up within bounds.
 * Restored state is bounded by masks; a wrong command in progress only swallows one byte.
 */
import { bool, bytes, fifo8, i64, u8 } from '../../state/index.ts';
import { defineDevice } from '../device.ts';
import { definePort } from '../ports.ts';
import { a20Gate, machineSignals } from '../signals.ts';
import { createKeyboard, TYPEMATIC } from './keyboard.ts';
import { KEYS } from './keys.ts';
import { createMouse, MOST_COUNTS, MOUSE_RATE, MOUSE_RESOLUTION, type Move } from './mouse.ts';
import { Command, Mode, Output, Port92, SELF_TEST_PASSED, SET2_TO_SET1, Status } from './spec.ts';

const QUEUE = 32;
const NONE = 0;

/** Who feeds keys hears when the guest has read those it was sent. Called under the machine lock, on any thread. */
export interface KeyReader {
  hasRead(): void;
}
const keyReader = definePort<KeyReader>('key-reader', () => ({ hasRead: () => undefined }));

export const i8042 = defineDevice({
  type: 'i8042',
  ports: { data: 1, control: 1, port92: 1 },
  irqs: ['keyboard', 'mouse'],
  timers: ['repeat', 'sample'],
  needs: { a20: a20Gate, signals: machineSignals, reader: keyReader },
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
    buttons: u8({ id: 21, mask: 0x1f, doc: 'Buttons held: left, right, middle, two at the side' }),
    port92: u8({ id: 22, reset: Port92.A20, mask: Port92.Kept, doc: 'Port 92h; bit 1 opens A20' }),
    p2A20: bool({ id: 23, reset: true, doc: 'A20 bit of the output port' }),
    lastByte: u8({ id: 24, doc: 'Last answer of the keyboard, to be sent again' }),
    typematic: u8({ id: 25, reset: TYPEMATIC, doc: 'Delay and rate by which a held key repeats' }),
    heldKey: u8({ id: 26, range: [0, KEYS.length], doc: 'Number of the key that repeats, plus 1; 0: none' }),
    repeatAt: i64({ id: 27, range: [0n, 2n ** 53n], doc: 'Machine time in ns of the next repetition' }),
    keyKinds: bytes(0x90, { id: 28, doc: 'What each key of set 3 sends; 0: as after power-on' }),
    mouseWrap: bool({ id: 29, doc: 'The mouse sends back what it is sent' }),
    mouseId: u8({ id: 30, range: [0, 4], doc: 'What the mouse is: 0 plain, 3 with wheel, 4 with five buttons' }),
    knock: bytes(3, { id: 31, doc: 'The last three sample rates' }),
    moveX: i64({ id: 32, range: [-MOST_COUNTS, MOST_COUNTS], doc: 'Counts to the right not reported yet' }),
    moveY: i64({ id: 33, range: [-MOST_COUNTS, MOST_COUNTS], doc: 'Counts upwards not reported yet' }),
    moveWheel: i64({ id: 34, range: [-MOST_COUNTS, MOST_COUNTS], doc: 'Notches not reported yet' }),
    buttonsTold: u8({ id: 35, mask: 0x1f, doc: 'Buttons as last reported' }),
    reportAt: i64({ id: 36, range: [0n, 2n ** 53n], doc: 'Machine time in ns from which the mouse may report again' }),
  },
  create({ state, irqs, timers, clock, a20, signals, reader }) {
    const keyboard = createKeyboard(state, timers.repeat, clock);
    const mouse = createMouse(state, timers.sample, clock);
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
        mouse.command(byte);
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
            // The mouse speaks again when it has been heard.
            if (state.mouse.length === 0) mouse.settle();
            settle();
            if (state.keyboard.length === 0) reader.hasRead();
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
              keyboard.command(byte);
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
      timers: {
        repeat: () => {
          keyboard.repeat();
          settle();
        },
        sample: () => {
          mouse.settle();
          settle();
        },
      },
      restored: () => {
        gate();
        drive();
        keyboard.restored();
        mouse.restored();
      },
      api: {
        /** A key by its number (keys.ts). False when it was dropped: the queue is full, or the keyboard does not scan. */
        key: (number: number, down: boolean): boolean => {
          const taken = keyboard.key(number, down);
          settle();
          return taken;
        },
        /** The guest has read all that the keyboard has sent. */
        keysRead: (): boolean => state.keyboard.length === 0,
        /** A report of the mouse though it did not move. */
        nudgeMouse: (): void => {
          mouse.nudge();
          settle();
        },
        /** The mouse moves. False when nobody listens. */
        move: (move: Move): boolean => {
          const taken = mouse.move(move);
          settle();
          return taken;
        },
      },
    };
  },
});
