import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { memoryDrive } from '../firmware/bios/testing/memory-drive.ts';
import { bootCd } from './testing/boot-cd.ts';
import { pc } from './testing/pc.ts';

it('boots the first sector of a disk', () => {
  const bytes = new Uint8Array(1 << 20);
  // mov ax, 0E21h; int 10h; mov al, 0; out F4h, al; hlt
  bytes.set([0xb8, 0x21, 0x0e, 0xcd, 0x10, 0xb0, 0x00, 0xe6, 0xf4, 0xf4]);
  bytes.set([0x55, 0xaa], 510);
  const m = pc({ drives: (memory) => [memoryDrive({ kind: 'disk', bytes, memory })] });
  m.powerOn();
  m.run(() => m.happened.length > 0);
  expect([m.happened, m.serial()]).toEqual([['exit 0'], 'Rootmode BIOS\r\n']);
  expect(m.lines().slice(0, 3)).toEqual(['Rootmode BIOS', '!', '']);
});

it('says which drives were tried', () => {
  const m = pc({
    drives: (memory) => [memoryDrive({ kind: 'disk', bytes: new Uint8Array(1 << 20), memory, title: 'empty.img' })],
  });
  m.powerOn();
  m.run(() => m.serial().includes('Press a key'));
  expect(m.serial()).toContain('  Disk 1 (empty.img) has no boot signature in its first sector.\r\n');
});

it('waits for F12, shows the drives, and starts the one that is chosen, and no other when it cannot be', () => {
  const bytes = new Uint8Array(1 << 20);
  bytes.set([0xb0, 0x00, 0xe6, 0xf4, 0xf4]); // mov al, 0; out F4h, al; hlt
  bytes.set([0x55, 0xaa], 510);
  const chosen = (digit: string) => {
    const m = pc({
      config: { bootMenuMilliseconds: 3000 },
      drives: (memory) => [
        memoryDrive({ kind: 'disk', bytes: new Uint8Array(1 << 20), memory, title: 'empty.img' }),
        memoryDrive({ kind: 'disk', bytes, memory, title: 'system.img', unit: 1 }),
      ],
    });
    m.powerOn();
    m.run(() => m.serial().includes('Press F12 for the boot menu.'));
    expect(m.key('F12')).toBe(true);
    m.run(() => m.serial().includes('Esc: the usual order'));
    expect(m.serial()).toContain('  1. Disk 1: empty.img\r\n  2. Disk 2: system.img\r\n');
    m.key(`Digit${digit}`);
    m.run(() => m.happened.length > 0 || m.serial().includes('Press a key'));
    return [m.happened, m.serial().includes('Disk 1 (empty.img) has no boot signature')];
  };
  expect(chosen('2')).toEqual([['exit 0'], false]);
  expect(chosen('1')).toEqual([[], true]);
});

it('answers a real-mode program as a BIOS does', () => {
  const bytes = new Uint8Array(1 << 20);
  bytes.set(readFileSync(new URL('../../assets/guests/services.bin', import.meta.url)));
  const m = pc({ drives: (memory) => [memoryDrive({ kind: 'disk', bytes, memory, delay: 1 })] });
  m.powerOn();
  m.run(() => m.happened.length > 0, 2e7);
  expect([m.serial(), m.happened]).toEqual(['Rootmode BIOS\r\n', ['exit 0']]);
  expect(bytes[40 * 512]).toBe(0x34);
});

it('shows by that program what a read-only disk refuses', () => {
  const bytes = new Uint8Array(1 << 20);
  bytes.set(readFileSync(new URL('../../assets/guests/services.bin', import.meta.url)));
  const m = pc({ drives: (memory) => [memoryDrive({ kind: 'disk', bytes, memory, readonly: true })] });
  m.powerOn();
  m.run(() => m.happened.length > 0, 2e7);
  expect([m.serial(), m.happened]).toEqual(['Rootmode BIOS\r\nINT 13h 41h to 48h\r\n', ['exit 1']]);
});

it.each([
  ['no emulation', 0],
  ['a diskette of 1.2 MB', 1],
  ['a diskette of 1.44 MB', 2],
  ['a diskette of 2.88 MB', 3],
  ['a disk', 4],
])('boots a CD with %s, and reads its image', (_what, media) => {
  const m = pc({ drives: (memory) => [memoryDrive({ kind: 'cdrom', bytes: bootCd(media, 0x20 + media), memory })] });
  m.powerOn();
  m.run(() => m.happened.length > 0);
  expect(m.happened).toEqual([`exit ${0x20 + media}`]);
});

it.each([
  ['damaged', 18 * 2048 + 28, 'has a damaged boot catalog'],
  ['not bootable', 18 * 2048 + 32, 'has no boot catalog entry for a PC'],
  ['no boot record', 17 * 2048 + 1, 'has no El Torito boot record'],
])('says of a CD that is %s what is wrong', (_what, at, reason) => {
  const bytes = bootCd(0, 1);
  bytes[at] = 1;
  const m = pc({ drives: (memory) => [memoryDrive({ kind: 'cdrom', bytes, memory, title: 'a.iso' })] });
  m.powerOn();
  m.run(() => m.serial().includes('Press a key'));
  expect(m.serial()).toContain(`CD 1 (a.iso) ${reason}.`);
});

it("answers VMware's calls in the caller's registers, and rings by the PS/2 mouse", () => {
  const bytes = new Uint8Array(1 << 20);
  const call = (command: number, argument: number) => [
    ...[0x66, 0xb8, 0x68, 0x58, 0x4d, 0x56], // mov eax, 564D5868h
    ...[0x66, 0xbb, ...new Uint8Array(Uint32Array.of(argument).buffer)], // mov ebx, argument
    ...[0x66, 0xb9, command, 0, 0, 0], // mov ecx, command
    ...[0xba, 0x58, 0x56, 0x66, 0xed], // mov dx, 5658h; in eax, dx
  ];
  const keep = [0x66, 0xa3, 0x00, 0x05, 0x66, 0x89, 0x1e, 0x04, 0x05, 0x66, 0x89, 0x0e, 0x08, 0x05]; // [500h]: eax, ebx, ecx
  const end = [0xb0, 0x00, 0xe6, 0xf4, 0xf4]; // mov al, 0; out F4h, al; hlt
  bytes.set([...call(41, 0x45414552), ...call(39, 1), ...call(41, 0x53424152), ...call(10, 0), ...keep, ...end]);
  bytes.set([0x55, 0xaa], 510);
  const m = pc({ drives: (memory) => [memoryDrive({ kind: 'disk', bytes, memory })] });
  m.powerOn();
  expect(m.board.keyboard.takesPositions()).toBe(false);
  m.run(() => m.happened.length > 0);
  expect([0x500, 0x504, 0x508].map((at) => m.memory.dma.read32(at))).toEqual([6, 0x564d5868, 4]);
  expect(m.board.keyboard.takesPositions()).toBe(true);
});

/** A ROM of two images: one for EFI, then a program for PCs that stores AX at 500h and keeps one of its four blocks of 512 bytes. */
function expansionRom(): Uint8Array {
  const rom = new Uint8Array(0x1000);
  const image = (at: number, type: number, indicator: number) => {
    rom.set([0x55, 0xaa, 4], at);
    rom.set([0x40, 0x00], at + 0x18);
    rom.set([0x50, 0x43, 0x49, 0x52, 0x36, 0x1b, 0x05, 0x00], at + 0x40); // "PCIR", 1B36h, 0005h
    rom.set([0x18, 0x00, 0x00, 0x00, 0xff, 0x00, 4, 0, 0, 0, type, indicator], at + 0x4a);
  };
  image(0, 3, 0x00);
  image(0x800, 0, 0x80);
  rom.set([0xeb, 0x5b], 0x803); // jmp 60h
  // xor bx, bx; mov ds, bx; mov [500h], ax; mov byte [cs:2], 1; retf
  rom.set([0x31, 0xdb, 0x8e, 0xdb, 0xa3, 0x00, 0x05, 0x2e, 0xc6, 0x06, 0x02, 0x00, 0x01, 0xcb], 0x860);
  return rom;
}

it.each([
  ['its own', 0x1b36, 0x20],
  ["another function's", 0x8086, 0],
])('calls the program in a PCI ROM that is %s', (_whose, vendor, stored) => {
  const bytes = new Uint8Array(1 << 20);
  bytes.set([0xa0, 0x00, 0x05, 0xe6, 0xf4, 0xf4]); // mov al, [500h]; out F4h, al; hlt
  bytes.set([0x55, 0xaa], 510);
  const testRom = expansionRom();
  new DataView(testRom.buffer).setUint16(0x844, vendor, true);
  const m = pc({ config: { testRom }, drives: (memory) => [memoryDrive({ kind: 'disk', bytes, memory })] });
  m.powerOn();
  m.run(() => m.happened.length > 0);
  expect(m.happened).toEqual([`exit ${stored}`]);
  const [signature, size] = [m.memory.dma.read32(0xc8000) & 0xffff, (m.memory.dma.read32(0xc8000) >>> 16) & 0xff];
  expect([signature, size]).toEqual(stored === 0 ? [0, 0] : [0xaa55, 1]);
});
