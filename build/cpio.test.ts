import { describe, expect, it } from 'vitest';
import { cpioArchive, type Member } from './tasks/cpio.ts';

/** Reads an archive by the rules of the format, independent of the writer. */
function listing(archive: Buffer): readonly string[] {
  const found: string[] = [];
  for (let at = 0; ; ) {
    const field = (index: number) => Number.parseInt(archive.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16);
    expect(archive.toString('latin1', at, at + 6)).toBe('070701');
    const size = field(6);
    const nameEnd = at + 110 + field(11);
    const name = archive.toString('utf8', at + 110, nameEnd - 1);
    if (name === 'TRAILER!!!') return found;
    const content = Math.ceil(nameEnd / 4) * 4;
    const text = archive.toString('utf8', content, content + size);
    found.push(`${name} ${field(1).toString(8)} ${field(9)},${field(10)} ${text}`);
    at = Math.ceil((content + size) / 4) * 4;
  }
}

const members: readonly Member[] = [
  { kind: 'folder', path: 'dev' },
  { kind: 'device', path: 'dev/console', major: 5, minor: 1 },
  { kind: 'file', path: 'init', content: Buffer.from('abcde'), mode: 0o755 },
  { kind: 'link', path: 'sh', target: 'busybox' },
];

describe('cpio archive', () => {
  it('holds what was put in', () => {
    expect(listing(cpioArchive(members))).toEqual([
      'dev 40755 0,0 ',
      'dev/console 20600 5,1 ',
      'init 100755 0,0 abcde',
      'sh 120777 0,0 busybox',
    ]);
  });

  it('fills whole blocks and is the same every time', () => {
    const archive = cpioArchive(members);
    expect(archive.length % 512).toBe(0);
    expect(cpioArchive(members).equals(archive)).toBe(true);
  });

  it('refuses a file before its folder, which the kernel would drop', () => {
    expect(() => cpioArchive([{ kind: 'file', path: 'a/b', content: Buffer.alloc(0) }])).toThrow('a/b');
  });
});
