/** INT 15h C2h: the pointing device on the controller's second port, and INT 74h. Source: IBM PS/2 BIOS Interface Technical Reference. */
import { Ebda } from '../areas.ts';
import { Action, type Frame } from '../frame.ts';
import type { BiosHost, BiosIo } from '../host.ts';
import { read8, read16, write8, write16 } from '../words.ts';

const DATA = 0x60;
const CONTROL = 0x64;
const OUTPUT_FULL = 0x01;
const FROM_MOUSE = 0x20;
const ACKNOWLEDGE = 0xfa;
const PATIENCE = 64;

/** 9FC0:26: bytes of the packet so far. 9FC0:27: a handler is there; bytes of a packet less one. */
const HANDLER = 0x80;
const Status = { Done: 0, BadFunction: 1, BadInput: 2, Interface: 3, NoHandler: 5 } as const;
const RATES = [10, 20, 40, 60, 80, 100, 200];
const COMMAND_BYTE = { read: 0x20, write: 0x60, interrupt: 0x02, off: 0x20 } as const;

/** The controller's next byte, of either side; undefined when there is none. */
function take(io: BiosIo): number | undefined {
  for (let i = 0; i < PATIENCE; i++) if (io.in(CONTROL) & OUTPUT_FULL) return io.in(DATA);
  return undefined;
}

/** Send bytes to the mouse, each acknowledged; then its answer of so many bytes. Undefined when it did not answer so. */
function ask(io: BiosIo, bytes: readonly number[], answers = 0): number[] | undefined {
  for (const byte of bytes) {
    io.out(CONTROL, 0xd4);
    io.out(DATA, byte);
    if (take(io) !== ACKNOWLEDGE) return undefined;
  }
  const got: number[] = [];
  for (let i = 0; i < answers; i++) {
    const byte = take(io);
    if (byte === undefined) return undefined;
    got.push(byte);
  }
  return got;
}

/** Run `work` while the controller raises no interrupts of the mouse, so that answers reach it and not INT 74h. */
function quietly<T>(io: BiosIo, work: () => T): T {
  io.out(CONTROL, COMMAND_BYTE.read);
  const before = take(io) ?? 0x45;
  const set = (value: number) => {
    io.out(CONTROL, COMMAND_BYTE.write);
    io.out(DATA, value);
  };
  set((before & ~(COMMAND_BYTE.interrupt | COMMAND_BYTE.off | 0x01)) | 0);
  try {
    return work();
  } finally {
    set(before);
  }
}

function enableInterrupt(io: BiosIo): void {
  io.out(CONTROL, COMMAND_BYTE.read);
  const before = take(io) ?? 0x45;
  io.out(CONTROL, COMMAND_BYTE.write);
  io.out(DATA, (before & ~COMMAND_BYTE.off) | COMMAND_BYTE.interrupt);
  io.out(0xa1, io.in(0xa1) & ~0x10);
}

export function mouseService({ io, memory }: BiosHost, f: Frame): void {
  const end = (status: number) => {
    f.ah = status;
    f.carry = status !== Status.Done;
  };
  const tell = (bytes: readonly number[]) => end(quietly(io, () => ask(io, bytes)) ? Status.Done : Status.Interface);
  const forget = () => write8(memory, Ebda.MouseFlags1, 0);
  switch (f.al) {
    case 0x00:
      if (f.bh > 1) end(Status.BadInput);
      else if (f.bh === 1 && (read8(memory, Ebda.MouseFlags2) & HANDLER) === 0) end(Status.NoHandler);
      else {
        forget();
        tell([f.bh === 1 ? 0xf4 : 0xf5]);
        if (f.bh === 1) enableInterrupt(io);
      }
      return;
    case 0x01:
    case 0x05: {
      if (f.al === 0x05 && (f.bh < 1 || f.bh > 8)) {
        end(Status.BadInput);
        return;
      }
      if (f.al === 0x05) write8(memory, Ebda.MouseFlags2, (read8(memory, Ebda.MouseFlags2) & HANDLER) | (f.bh - 1));
      forget();
      const answer = quietly(io, () => ask(io, [0xff], 2));
      if (answer && f.al === 0x01) {
        f.bl = answer[0] ?? 0;
        f.bh = answer[1] ?? 0;
      }
      end(answer ? Status.Done : Status.Interface);
      return;
    }
    case 0x02: {
      const rate = RATES[f.bh];
      if (rate === undefined) end(Status.BadInput);
      else tell([0xf3, rate]);
      return;
    }
    case 0x03:
      if (f.bh > 3) end(Status.BadInput);
      else tell([0xe8, f.bh]);
      return;
    case 0x04: {
      const answer = quietly(io, () => ask(io, [0xf2], 1));
      if (answer) f.bh = answer[0] ?? 0;
      end(answer ? Status.Done : Status.Interface);
      return;
    }
    case 0x06: {
      if (f.bh === 1 || f.bh === 2) tell([f.bh === 1 ? 0xe6 : 0xe7]);
      else if (f.bh === 0) {
        const answer = quietly(io, () => ask(io, [0xe9], 3));
        if (answer) {
          f.bl = answer[0] ?? 0;
          f.cx = answer[1] ?? 0;
          f.dx = answer[2] ?? 0;
        }
        end(answer ? Status.Done : Status.Interface);
      } else end(Status.BadInput);
      return;
    }
    case 0x07:
      write16(memory, Ebda.MouseHandler, f.bx);
      write16(memory, Ebda.MouseHandler + 2, f.es);
      write8(memory, Ebda.MouseFlags2, (read8(memory, Ebda.MouseFlags2) & ~HANDLER) | (f.es === 0 && f.bx === 0 ? 0 : HANDLER));
      end(Status.Done);
      return;
    default:
      end(Status.BadFunction);
  }
}

/** INT 74h: a byte of the mouse; the handler is called with a whole packet. */
export function mouseInterrupt({ io, memory }: BiosHost, f: Frame): void {
  const done = () => {
    io.out(0xa0, 0x20);
    io.out(0x20, 0x20);
  };
  const status = io.in(CONTROL);
  if (f.scratch !== 0 || (status & (OUTPUT_FULL | FROM_MOUSE)) !== (OUTPUT_FULL | FROM_MOUSE)) {
    if (f.scratch === 0) done();
    return;
  }
  const byte = io.in(DATA);
  const flags = read8(memory, Ebda.MouseFlags2);
  const at = read8(memory, Ebda.MouseFlags1) & 7;
  write8(memory, Ebda.MousePacket + at, byte);
  const full = at >= (flags & 7);
  write8(memory, Ebda.MouseFlags1, full ? 0 : at + 1);
  done();
  if (!full || !(flags & HANDLER)) return;
  const packet = memory.read(Ebda.MousePacket, 3);
  const call = {
    segment: read16(memory, Ebda.MouseHandler + 2),
    offset: read16(memory, Ebda.MouseHandler),
    argument: (packet[1] ?? 0) | ((packet[2] ?? 0) << 8),
  };
  // The status word's low byte travels in the scratch word; 100h tells the trap after the call.
  f.again(Action.Mouse, 0x100 | (packet[0] ?? 0), call);
}
