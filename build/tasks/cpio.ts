/**
 * Writer of the archive form that Linux unpacks as initramfs ("newc"; kernel documentation, driver-api/early-userspace/buffer-format).
 * Output depends on the members alone: owner root, time 0, inode numbers in order.
 */

/** One member. `path` without a leading slash; parents come before their children. `mode` holds permission bits only. */
export type Member =
  | { readonly kind: 'folder'; readonly path: string; readonly mode?: number }
  | { readonly kind: 'file'; readonly path: string; readonly content: Uint8Array; readonly mode?: number }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | { readonly kind: 'device'; readonly path: string; readonly major: number; readonly minor: number; readonly mode?: number };

const type = { folder: 0o040000, file: 0o100000, link: 0o120000, device: 0o020000 } as const;
const defaultMode = { folder: 0o755, file: 0o644, link: 0o777, device: 0o600 } as const;
const trailer = 'TRAILER!!!';

interface Header {
  readonly name: string;
  readonly inode: number;
  readonly mode: number;
  readonly links: number;
  readonly size: number;
  readonly device: readonly [number, number];
}

function header({ name, inode, mode, links, size, device }: Header): Buffer {
  const fields = [inode, mode, 0, 0, links, 0, size, 0, 0, device[0], device[1], Buffer.byteLength(name) + 1, 0];
  const digits = fields.map((value) => value.toString(16).toUpperCase().padStart(8, '0')).join('');
  return padded(Buffer.from(`070701${digits}${name}\0`, 'utf8'));
}

function padded(bytes: Uint8Array): Buffer {
  const result = Buffer.alloc((bytes.length + 3) & ~3);
  result.set(bytes);
  return result;
}

function contentOf(member: Member): Uint8Array {
  if (member.kind === 'file') return member.content;
  return member.kind === 'link' ? Buffer.from(member.target, 'utf8') : new Uint8Array(0);
}

/** The archive as bytes, a multiple of 512 long. Throws RangeError when a member's folder is not in front of it. */
export function cpioArchive(members: readonly Member[]): Buffer {
  const folders = new Set(['']);
  const parts: Buffer[] = [];
  members.forEach((member, index) => {
    const parent = member.path.includes('/') ? member.path.slice(0, member.path.lastIndexOf('/')) : '';
    if (!folders.has(parent)) throw new RangeError(`${member.path} stands before its folder`);
    if (member.kind === 'folder') folders.add(member.path);
    const content = contentOf(member);
    const permission = 'mode' in member && member.mode !== undefined ? member.mode : defaultMode[member.kind];
    parts.push(
      header({
        name: member.path,
        inode: index + 1,
        mode: type[member.kind] | permission,
        links: member.kind === 'folder' ? 2 : 1,
        size: content.length,
        device: member.kind === 'device' ? [member.major, member.minor] : [0, 0],
      }),
      padded(content),
    );
  });
  parts.push(header({ name: trailer, inode: 0, mode: 0, links: 1, size: 0, device: [0, 0] }));
  const archive = Buffer.concat(parts);
  return Buffer.concat([archive, Buffer.alloc((512 - (archive.length % 512)) % 512)]);
}
