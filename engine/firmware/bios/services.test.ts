/** Services against hostile callers: no registers, memory or answers of devices make one throw or work without bound. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { i440fxPlatform } from '../platform.ts';
import { createBios } from './bios.ts';
import type { BiosHost } from './host.ts';
import { memoryDrive } from './testing/memory-drive.ts';

const ROM = readFileSync(new URL('../../../assets/firmware/bios.bin', import.meta.url));
const RAM = 2 * 2 ** 20;
const FRAME = 0x7000;
const VECTORS = [0x05, 0x09, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x40, 0x70, 0x74, 0x100];

function random(seed: number) {
  let state = seed >>> 0;
  const word = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state ^ (state >>> 15)) >>> 0;
  };
  return { word, below: (n: number) => word() % n };
}

/** A machine whose devices answer at random and whose memory is garbage. */
function hostileHost(source: ReturnType<typeof random>) {
  const ram = new Uint8Array(RAM);
  for (let i = 0; i < RAM; i += 7) ram[i] = source.word();
  let accesses = 0;
  const memory = {
    read: (gpa: number, length: number) => {
      accesses += Math.ceil(length / 64);
      const bytes = new Uint8Array(length).fill(0xff);
      if (gpa < RAM) bytes.set(ram.subarray(gpa, Math.min(RAM, gpa + length)));
      return bytes;
    },
    write: (gpa: number, bytes: Uint8Array) => {
      accesses += Math.ceil(bytes.length / 64);
      if (gpa < RAM) ram.set(bytes.subarray(0, RAM - gpa), gpa);
    },
    isRam: (gpa: number, length: number) => gpa + length <= RAM,
  };
  const disc = new Uint8Array(64 * 2048);
  for (let i = 0; i < disc.length; i += 3) disc[i] = source.word();
  const host: BiosHost = {
    memory,
    io: {
      in: (_port, size = 1) => {
        accesses++;
        return source.below(4) === 0 ? 2 ** (8 * size) - 1 : source.word() % 2 ** (8 * size);
      },
      out: () => void accesses++,
    },
    platform: i440fxPlatform({ cpus: 1, ramBytes: RAM }),
    drives: [
      memoryDrive({ kind: 'floppy', bytes: new Uint8Array(1440 * 1024), memory }),
      memoryDrive({ kind: 'disk', bytes: new Uint8Array(1 << 20), memory, delay: 1 }),
      memoryDrive({ kind: 'cdrom', bytes: disc, memory }),
      memoryDrive({ kind: 'cdrom', memory }),
    ],
    boot: { order: ['cdrom', 'disk', 'floppy'], menuMilliseconds: 0 },
    rom: () => ROM,
    now: () => source.word() * 1000,
    initializeHardware: () => undefined,
    msrs: [[0x2ff, 0xc06n]],
  };
  return { host, ram, taken: () => accesses };
}

it.each([1, 2, 3, 20261128])('bears any call with any registers (seed %i)', (seed) => {
  const source = random(seed);
  const { host, ram, taken } = hostileHost(source);
  const bios = createBios(host);
  const view = new DataView(ram.buffer);
  for (let i = 0; i < 3000; i++) {
    const before = taken();
    const frame = source.below(50) === 0 ? source.word() : FRAME;
    for (let at = 0; at < 56; at += 4) view.setUint32(FRAME + at, source.word(), true);
    if (source.below(2) === 0) view.setUint32(FRAME, 0, true);
    const vector = VECTORS[source.below(VECTORS.length)] ?? 0;
    view.setUint16(FRAME + 48, vector, true);
    const functions = source.below(3) > 0 ? source.below(0x50) : source.below(256);
    view.setUint8(FRAME + 41, functions);
    const registers = [40, 36, 32, 28].map((at) => view.getUint32(FRAME + at, true).toString(16));
    bios.call(frame);
    const work = taken() - before;
    if (work > 500_000) expect.fail(`vector ${vector.toString(16)} (${registers}) made ${work} accesses`);
  }
});

it('bears any 32-bit call', () => {
  const source = random(7);
  const bios = createBios(hostileHost(source).host);
  for (let i = 0; i < 2000; i++) {
    const [ebx, ecx, edx, esi, edi] = [source.word(), source.word(), source.word(), source.word(), source.word()];
    const registers = { eax: 0xb100 | source.below(256), ebx, ecx, edx, esi, edi };
    bios.call32(registers);
    for (const value of Object.values(registers)) expect(value >= 0 && value <= 0xffffffff).toBe(true);
  }
});
