/** INT 14h and 17h: serial and parallel ports. Source: IBM PS/2 BIOS Interface Technical Reference. */
import { Bda } from './areas.ts';
import { Action, type Frame } from './frame.ts';
import type { BiosHost } from './host.ts';
import { waited } from './waiting.ts';
import { read8, read16 } from './words.ts';

const DIVISORS = [1047, 768, 384, 192, 96, 48, 24, 12];
const Line = { Ready: 0x01, HoldingEmpty: 0x20 } as const;
const TIMEOUT = 0x80;
/** A unit of the time-out bytes. */
const TIMEOUT_UNIT = 100_000;

export function serialService(host: BiosHost, f: Frame): void {
  const { io, memory } = host;
  const base = f.dx < 4 ? read16(memory, Bda.SerialPorts + 2 * f.dx) : 0;
  if (base === 0) {
    f.ah = TIMEOUT;
    return;
  }
  const line = () => io.in(base + 5);
  const status = () => {
    f.ah = line();
    f.al = io.in(base + 6);
  };
  const expired = () => waited(host, f, Math.max(1, read8(memory, Bda.SerialTimeouts + f.dx)) * TIMEOUT_UNIT);
  switch (f.ah) {
    case 0x00: {
      const divisor = DIVISORS[f.al >>> 5] ?? 12;
      io.out(base + 3, 0x80 | (f.al & 0x1f));
      io.out(base, divisor & 0xff);
      io.out(base + 1, divisor >>> 8);
      io.out(base + 3, f.al & 0x1f);
      io.out(base + 1, 0);
      status();
      return;
    }
    case 0x01:
      io.out(base + 4, 0x03);
      if (line() & Line.HoldingEmpty) {
        io.out(base, f.al);
        f.ah = line();
      } else if (expired()) f.ah = line() | TIMEOUT;
      else f.again(Action.Spin, f.scratch);
      return;
    case 0x02:
      io.out(base + 4, 0x01);
      if (line() & Line.Ready) {
        f.ah = line() & 0x1e;
        f.al = io.in(base);
      } else if (expired()) f.ah = line() | TIMEOUT;
      else f.again(Action.Spin, f.scratch);
      return;
    case 0x03:
      status();
      return;
    default:
      f.ah = TIMEOUT;
  }
}

const Printer = { Strobe: 0x01, Initialize: 0x04, Select: 0x08, NotBusy: 0x80, Inverted: 0x48 } as const;

export function printerService(host: BiosHost, f: Frame): void {
  const { io, memory } = host;
  const base = f.dx < 3 ? read16(memory, Bda.ParallelPorts + 2 * f.dx) : 0;
  if (base === 0) {
    f.ah = 0x01; // time-out
    return;
  }
  const status = () => {
    f.ah = (io.in(base + 1) & 0xf8) ^ Printer.Inverted;
  };
  switch (f.ah) {
    case 0x00:
      if (io.in(base + 1) & Printer.NotBusy) {
        io.out(base, f.al);
        io.out(base + 2, Printer.Select | Printer.Initialize | Printer.Strobe);
        io.out(base + 2, Printer.Select | Printer.Initialize);
        status();
      } else if (waited(host, f, Math.max(1, read8(memory, Bda.ParallelTimeouts + f.dx)) * TIMEOUT_UNIT)) {
        status();
        f.ah |= 0x01;
      } else f.again(Action.Spin, f.scratch);
      return;
    case 0x01:
      io.out(base + 2, Printer.Select);
      io.out(base + 2, Printer.Select | Printer.Initialize);
      status();
      return;
    case 0x02:
      status();
      return;
  }
}
