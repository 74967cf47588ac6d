import { expect, it } from 'vitest';
import { memoryDrive } from '../firmware/bios/testing/memory-drive.ts';
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
