/** The serial port's line between the board, which is in every thread, and the I/O thread, which alone has the host's streams. */
import { ByteRing, ringBytes } from '../base/index.ts';
import type { MachineMemory } from '../memory/index.ts';

/** Bytes either way; powers of two. Output is large: a vCPU looks at how full it is only between two runs. */
const OUTPUT = 1 << 17;
const INPUT = 1 << 12;
/** Above this many unread bytes a vCPU waits at a safe point, and below half of it goes on. */
export const OUTPUT_HIGH_WATER = OUTPUT / 2;

export interface SerialRings {
  /** Guest to host. Written under the machine lock, read by the I/O thread. */
  readonly output: ByteRing;
  /** Host to guest. Written by the I/O thread, read under the machine lock. */
  readonly input: ByteRing;
}

/** The rings of a port: every thread takes them from the arena at the same point. */
export function takeSerialRings({ arena, views }: MachineMemory, name = 'serial'): SerialRings {
  const output = arena.take(`${name}.output`, ringBytes(OUTPUT), 64);
  const input = arena.take(`${name}.input`, ringBytes(INPUT), 64);
  return { output: new ByteRing(views.buffer, output, OUTPUT), input: new ByteRing(views.buffer, input, INPUT) };
}

/** Bytes of a port that nobody sends anything to. Taken from the arena by every thread at the same point. */
export function takeOutputRing({ arena, views }: MachineMemory, name: string): ByteRing {
  return new ByteRing(views.buffer, arena.take(name, ringBytes(OUTPUT), 64), OUTPUT);
}

/** The line of such a port. What its reader is too slow for is lost, as on a wire. */
export function createOutputLine(ring: ByteRing): SerialLine {
  return { send: (byte) => void ring.push(byte), onByte: () => undefined, ready: () => undefined };
}

export interface SerialLine {
  send(byte: number): void;
  onByte(listener: (byte: number) => void, room: () => number): void;
  /** Deliver what waits, as far as the device has room. Under the machine lock. */
  ready(): void;
}

/** `sent` sees every byte the guest sends, under the machine lock. */
export function createSerialLine({ output, input }: SerialRings, sent: (byte: number) => void = () => undefined): SerialLine {
  let deliver: (byte: number) => void = () => undefined;
  let roomOf: () => number = () => 0;
  let delivering = false;
  return {
    // A full ring means that a vCPU ran long past the high-water mark: the byte is lost, as on a wire nobody listens to.
    send: (byte) => {
      output.push(byte);
      sent(byte);
    },
    onByte: (listener, room) => {
      deliver = listener;
      roomOf = room;
    },
    ready: () => {
      if (delivering) return;
      delivering = true;
      try {
        for (let room = Math.min(roomOf(), input.length); room > 0; room = Math.min(roomOf(), input.length)) {
          for (const byte of input.read(room)) deliver(byte);
        }
      } finally {
        delivering = false;
      }
    },
  };
}
