import { expect, it } from 'vitest';
import { memoryDrive } from './testing/memory-drive.ts';

it('a drive of a test reads, writes and refuses as a drive of a machine', () => {
  const guest = new Uint8Array(4096);
  const memory = {
    read: (gpa: number, length: number) => guest.slice(gpa, gpa + length),
    write: (gpa: number, bytes: Uint8Array) => guest.set(bytes, gpa),
  };
  const bytes = new Uint8Array(8 * 512).fill(7);
  const drive = memoryDrive({ kind: 'disk', bytes, memory, delay: 1, bad: new Set([5]) });
  const ask = (kind: 'read' | 'write', sector: number, count = 1) => {
    drive.start({ kind, sector, count, gpa: 1024 });
    return [drive.poll(), drive.poll()];
  };
  expect(ask('read', 1)).toEqual(['busy', 'done']);
  expect([guest[1024], guest[1023], guest[1536]]).toEqual([7, 0, 0]);
  guest.fill(9);
  expect([ask('write', 7), bytes[7 * 512]]).toEqual([['busy', 'done'], 9]);
  expect([ask('read', 4, 2), ask('read', 7, 2)]).toEqual([
    ['busy', 'medium'],
    ['busy', 'range'],
  ]);
  drive.insert(undefined);
  expect([drive.medium(), drive.mediumChanges(), ask('read', 0)[1]]).toEqual([undefined, 1, 'no-medium']);
});
