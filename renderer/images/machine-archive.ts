/**
 * A machine folder that was dropped on the window, as the archive that `library-import` takes: POSIX tar (IEEE 1003.1, ustar) in a
 * Zstandard frame (RFC 8878). Nothing is read here: the archive consists of slices of the files, and of a few bytes between them.
 */

/** A file of the folder, by its path there. */
export interface FolderFile {
  readonly path: string;
  readonly file: Blob;
}

const BLOCK = 512;
/** Largest block of a frame (RFC 8878, section 3.1.1.2.4), and the window that allows it. */
const LARGEST = 128 * 1024;
const FRAME = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38);
/** Bytes of a name, and of the folders before it. */
const [NAME, PREFIX] = [100, 155];
const bytesOf = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

/** The first 512 bytes of a member. Throws `RangeError` for a path that has no room. */
function headerOf(path: string, size: number): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(BLOCK);
  const put = (at: number, text: string): void => block.set(bytesOf(text), at);
  const octal = (at: number, digits: number, value: number): void => put(at, value.toString(8).padStart(digits, '0'));
  const cut = bytesOf(path).length <= NAME ? -1 : path.indexOf('/', path.length - NAME - 1);
  const [prefix, name] = cut < 0 ? ['', path] : [path.slice(0, cut), path.slice(cut + 1)];
  if (bytesOf(name).length > NAME || bytesOf(prefix).length > PREFIX || size >= 8 ** 11) throw new RangeError(path);
  put(0, name);
  octal(100, 7, 0o644);
  octal(108, 7, 0);
  octal(116, 7, 0);
  octal(124, 11, size);
  octal(136, 11, 0);
  put(156, '0');
  put(257, 'ustar\u000000');
  put(345, prefix);
  // Its own checksum counts as blanks.
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, '0')}\0 `);
  return block;
}

/** Bytes in blocks that are stored as they are. */
function stored(content: Blob): Blob {
  const parts: BlobPart[] = [FRAME];
  for (let at = 0; at < content.size || at === 0; at += LARGEST) {
    const size = Math.min(LARGEST, content.size - at);
    const last = at + size >= content.size ? 1 : 0;
    const head = (size << 3) | last;
    parts.push(Uint8Array.of(head, head >>> 8, head >>> 16), content.slice(at, at + size));
  }
  return new Blob(parts);
}

/** Throws `RangeError` naming a file whose name or size no archive can have. */
export function archiveOf(files: readonly FolderFile[]): Blob {
  const parts: BlobPart[] = [];
  for (const { path, file } of files) {
    parts.push(headerOf(path, file.size), file, new Uint8Array(-file.size & (BLOCK - 1)));
  }
  parts.push(new Uint8Array(2 * BLOCK));
  return stored(new Blob(parts));
}

/** The machine's file and what may lie beside it; the lock, under its own names (`engine/manager/folder-lock.ts`), and logs are the old place's. */
const isOwn = (path: string): boolean =>
  !/^(logs\/.*|(.*\/)?lock(\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.old)?)?)$/.test(path);

/** The files of a folder that a person dropped, or `undefined` when it is no machine's. */
export async function filesOfMachine(folder: FileSystemDirectoryEntry): Promise<readonly FolderFile[] | undefined> {
  const files: FolderFile[] = [];
  async function walk(at: FileSystemDirectoryEntry, path: string): Promise<void> {
    for (const entry of await entriesOf(at)) {
      if (entry.isDirectory) await walk(entry as FileSystemDirectoryEntry, `${path}${entry.name}/`);
      else if (isOwn(path + entry.name))
        files.push({ path: path + entry.name, file: await fileOf(entry as FileSystemFileEntry) });
    }
  }
  await walk(folder, '');
  return files.some(({ path }) => path === 'machine.json') ? files : undefined;
}

/** A browser tells entries in portions, the last of which is empty. */
async function entriesOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all;
    all.push(...some);
  }
}

const fileOf = (entry: FileSystemFileEntry): Promise<File> => new Promise((resolve, reject) => entry.file(resolve, reject));
