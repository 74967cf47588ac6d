/** INT 15h: memory map, A20, moves beyond 1 MiB, waiting, and what is refused. Sources: IBM PS/2 BIOS reference; ACPI 6.5 section 15.1. */
import { join, littleEndian } from '../bytes.ts';
import { memoryMap } from '../e820.ts';
import { lowRam } from '../platform.ts';
import { Ebda, Private } from './areas.ts';
import { eventWait } from './clock.ts';
import { Action, type Frame } from './frame.ts';
import type { BiosHost } from './host.ts';
import { mouseService } from './input/mouse.ts';
import { ROM_SEGMENT } from './rom.ts';
import { waited } from './waiting.ts';
import { linear, read8, read16, write8 } from './words.ts';

const UNSUPPORTED = 0x86;
const SMAP = 0x534d_4150;
const A20_PORT = 0x92;
const A20_OPEN = 0x02;
const MEBI = 2 ** 20;

/** The table that function C0h points at, behind the video tables. */
const CONFIGURATION = Private.VideoTables + 32;

/** Second 8259, clock, keyboard intercept, extended area; model FCh. */
export function writeConfigurationTable({ memory }: BiosHost): void {
  memory.write(CONFIGURATION, Uint8Array.of(8, 0, 0xfc, 0x00, 0x01, 0x74, 0x40, 0, 0, 0));
}

export function systemService(host: BiosHost, f: Frame): void {
  const { io, platform } = host;
  const done = () => {
    f.ah = 0;
    f.carry = false;
  };
  switch (f.ah) {
    case 0x24: {
      const gate = io.in(A20_PORT);
      if (f.al === 0x00) io.out(A20_PORT, gate & ~A20_OPEN & ~1);
      else if (f.al === 0x01) io.out(A20_PORT, (gate | A20_OPEN) & ~1);
      else if (f.al === 0x02) f.al = gate & A20_OPEN ? 1 : 0;
      else if (f.al === 0x03) f.bx = 0x0003;
      else {
        refuse(f);
        return;
      }
      done();
      return;
    }
    case 0x4f:
      f.carry = true; // the code goes to the keyboard service as it is
      return;
    case 0x52:
    case 0x80:
    case 0x81:
    case 0x82:
    case 0x85:
    case 0x90:
    case 0x91:
      done();
      return;
    case 0x83:
      eventWait(host, f);
      return;
    case 0x86:
      if (!waited(host, f, f.cx * 0x10000 + f.dx)) f.again(Action.Spin, f.scratch);
      else done();
      return;
    case 0x87:
      moveBlock(host, f);
      return;
    case 0x88:
      f.ax = Math.max(0, Math.min((lowRam(platform) - MEBI) / 1024, 0xfc00));
      f.carry = false;
      return;
    case 0xc0:
      f.es = ROM_SEGMENT;
      f.bx = CONFIGURATION & 0xffff;
      done();
      return;
    case 0xc1:
      f.es = Ebda.Segment;
      f.carry = false;
      return;
    case 0xc2:
      mouseService(host, f);
      return;
    case 0xe8:
      memorySize(host, f);
      return;
    default:
      // 53h: there is no APM here; operating systems of its age are told so by "not supported" and go on without.
      refuse(f);
  }
}

function refuse(f: Frame): void {
  f.ah = UNSUPPORTED;
  f.carry = true;
}

function memorySize({ memory, platform }: BiosHost, f: Frame): void {
  const low = lowRam(platform);
  if (f.al === 0x01 || f.al === 0x81) {
    const below16 = Math.max(0, Math.min(low, 16 * MEBI) - MEBI) / 1024;
    const above16 = Math.max(0, Math.floor((low - 16 * MEBI) / 0x10000));
    if (f.al === 0x81) {
      f.eax = below16;
      f.ecx = below16;
      f.ebx = above16;
      f.edx = above16;
    } else {
      f.ax = below16;
      f.cx = below16;
      f.bx = above16;
      f.dx = above16;
    }
    f.carry = false;
    return;
  }
  const map = memoryMap(platform);
  const range = map[f.ebx];
  if (f.al !== 0x20 || f.edx !== SMAP || f.ecx < 20 || range === undefined) {
    refuse(f);
    return;
  }
  const { start, end, type } = range;
  const record = join(littleEndian(start, 8), littleEndian(end - start, 8), littleEndian(type, 4), littleEndian(1, 4));
  const size = f.ecx >= 24 ? 24 : 20;
  memory.write(linear(f.es, f.di), record.subarray(0, size));
  f.eax = SMAP;
  f.ecx = size;
  f.ebx = f.ebx + 1 < map.length ? f.ebx + 1 : 0;
  f.carry = false;
}

/** 87h: CX words between two descriptors of the caller's table (386 form: 32-bit bases). */
function moveBlock({ io, memory }: BiosHost, f: Frame): void {
  const table = linear(f.es, f.si);
  const base = (at: number) => {
    const bytes = memory.read(table + at, 8);
    return ((bytes[2] ?? 0) | ((bytes[3] ?? 0) << 8) | ((bytes[4] ?? 0) << 16) | ((bytes[7] ?? 0) << 24)) >>> 0;
  };
  const [from, to] = [base(0x10), base(0x18)];
  const gate = io.in(A20_PORT);
  const closed = (gate & A20_OPEN) === 0;
  if (closed) io.out(A20_PORT, (gate | A20_OPEN) & ~1);
  const length = Math.min(f.cx, 0x8000) * 2;
  memory.write(to, memory.read(from, length));
  if (closed) io.out(A20_PORT, gate & ~1);
  f.ah = 0;
  f.carry = false;
  f.zero = true;
}

/** INT 11h and 12h. */
export function equipmentService({ memory }: BiosHost, f: Frame, at: number): void {
  f.ax = read16(memory, at);
}

/** INT 05h: nothing prints the screen; the status says that it was tried. */
export function printScreen({ memory }: BiosHost, at: number): void {
  write8(memory, at, read8(memory, at) === 1 ? 1 : 0xff);
}
