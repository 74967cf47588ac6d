/**
 * What a BIOS leaves for real mode: an interrupt vector table whose handlers acknowledge and return, and the BIOS data area. There are no
 * BIOS services; a call returns with registers unchanged. Sources: IBM PS/2 BIOS Interface Technical Reference, sections 2 and 3.
 */
import { alignUp, type GuestWriter, join, littleEndian } from './bytes.ts';
import { CONVENTIONAL_END, FIRMWARE_START } from './e820.ts';
import type { Platform } from './platform.ts';

const SEGMENT = FIRMWARE_START / 16;
/** Vectors that a BIOS sets; those above belong to users. */
const VECTORS = 0x78;
const DATA_AREA = 0x400;
const COPROCESSOR = 1 << 1;

const RETURN = [0xcf];
/** push ax; mov al, 20h; out 20h, al; pop ax; iret */
const END_MASTER = [0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, ...RETURN];
/** The same with out A0h, al before. */
const END_SLAVE = [0x50, 0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20, 0x58, ...RETURN];
/** push ds; push ax; xor ax, ax; mov ds, ax; inc dword [46Ch]; mov al, 20h; out 20h, al; pop ax; pop ds; iret */
const TICK = [0x1e, 0x50, 0x31, 0xc0, 0x8e, 0xd8, 0x66, 0xff, 0x06, 0x6c, 0x04, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0x1f, ...RETURN];
/** push ax; in al, 60h; mov al, 20h; out 20h, al; pop ax; iret */
const KEY = [0x50, 0xe4, 0x60, 0xb0, 0x20, 0xe6, 0x20, 0x58, ...RETURN];
/** push ax; mov al, 0Ch; out 70h, al; in al, 71h; mov al, 20h; out A0h, al; out 20h, al; pop ax; iret */
const CLOCK = [0x50, 0xb0, 0x0c, 0xe6, 0x70, 0xe4, 0x71, 0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20, 0x58, ...RETURN];

const handlerOf = (vector: number): readonly number[] => {
  if (vector === 0x08) return TICK;
  if (vector === 0x09) return KEY;
  if (vector > 0x09 && vector < 0x10) return END_MASTER;
  if (vector === 0x70) return CLOCK;
  return vector > 0x70 ? END_SLAVE : RETURN;
};

/** Write handlers at `codeAt` in the F segment, vector table and data areas; returns the first byte above the handlers. */
export function leaveRealMode(platform: Platform, memory: GuestWriter, codeAt: number): number {
  const code: number[] = [];
  const offsets = new Map<readonly number[], number>();
  for (const handler of [RETURN, END_MASTER, END_SLAVE, TICK, KEY, CLOCK]) {
    offsets.set(handler, codeAt - FIRMWARE_START + code.length);
    code.push(...handler);
  }
  memory.write(codeAt, Uint8Array.from(code));
  const vectors = Array.from({ length: VECTORS }, (_, vector) =>
    join(littleEndian(offsets.get(handlerOf(vector)) ?? 0, 2), littleEndian(SEGMENT, 2)),
  );
  memory.write(0, join(...vectors));

  const data = new Uint8Array(256);
  const view = new DataView(data.buffer);
  for (const [i, { port }] of platform.serial.entries()) view.setUint16(2 * i, port, true);
  view.setUint16(0x0e, CONVENTIONAL_END / 16, true); // extended data area
  view.setUint16(0x10, COPROCESSOR | (platform.serial.length << 9), true);
  view.setUint16(0x13, CONVENTIONAL_END / 1024, true);
  memory.write(DATA_AREA, data);
  memory.write(CONVENTIONAL_END, Uint8Array.of(1)); // its size in KiB
  return alignUp(codeAt + code.length, 16);
}
