/**
 * ELF32 and ELF64 executables for x86, as boot protocols load them: by physical address. The file is hostile: every offset and size
 * is checked against it, and a defect is a `boot-file` error. Spec: System V ABI, chapter 4 and 5; note format in chapter 5.
 */
import { EngineError } from '../base/errors.ts';

export interface ElfSegment {
  readonly gpa: number;
  /** Bytes from the file; the rest up to `memorySize` is zero. */
  readonly bytes: Uint8Array;
  readonly memorySize: number;
  /** Virtual address the file was linked for. */
  readonly virtual: number;
}

export interface ElfNote {
  readonly owner: string;
  readonly type: number;
  readonly bytes: Uint8Array;
}

export interface ElfFile {
  readonly class: 32 | 64;
  readonly entry: number;
  readonly segments: readonly ElfSegment[];
  readonly notes: readonly ElfNote[];
}

const MAGIC = 0x464c457f;
const MACHINE_386 = 3;
const MACHINE_X86_64 = 62;
const PT_LOAD = 1;
const PT_NOTE = 4;
/** More program headers than any kernel has; bounds the work a hostile file can ask for. */
const MAX_HEADERS = 512;

/** The exact wording of every refusal starts with the file's name. */
export function defect(file: string, what: string, remedy = 'name an intact kernel file'): EngineError<'boot-file'> {
  return new EngineError('boot-file', { file, defect: what, remedy });
}

export function isElf(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true) === MAGIC;
}

function notesIn(bytes: Uint8Array): ElfNote[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const notes: ElfNote[] = [];
  let at = 0;
  while (at + 12 <= bytes.length) {
    const nameSize = view.getUint32(at, true);
    const dataSize = view.getUint32(at + 4, true);
    const nameAt = at + 12;
    const dataAt = nameAt + Math.ceil(nameSize / 4) * 4;
    const end = dataAt + dataSize;
    if (end > bytes.length) break; // a note that runs out of its segment names nothing
    const owner = String.fromCharCode(...bytes.subarray(nameAt, nameAt + Math.min(nameSize, 32))).replace(/\0.*$/s, '');
    notes.push({ owner, type: view.getUint32(at + 8, true), bytes: bytes.subarray(dataAt, end) });
    at = dataAt + Math.ceil(dataSize / 4) * 4;
  }
  return notes;
}

type Header = { type: number; offset: number; virtual: number; gpa: number; fileSize: number; memorySize: number };

/** Reads fields of either class; 64-bit values beyond 2^53 become a number no check accepts. */
function reader(view: DataView, wide: boolean) {
  const word = (at: number) => (wide ? Number(view.getBigUint64(at, true)) : view.getUint32(at, true));
  const header = (at: number): Header =>
    wide
      ? {
          type: view.getUint32(at, true),
          offset: word(at + 8),
          virtual: word(at + 16),
          gpa: word(at + 24),
          fileSize: word(at + 32),
          memorySize: word(at + 40),
        }
      : {
          type: view.getUint32(at, true),
          offset: word(at + 4),
          virtual: word(at + 8),
          gpa: word(at + 12),
          fileSize: word(at + 16),
          memorySize: word(at + 20),
        };
  return { word, header };
}

/** Parse an executable for x86. Throws `boot-file` naming what is wrong with it. */
export function parseElf(file: string, bytes: Uint8Array): ElfFile {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (!isElf(bytes)) throw defect(file, 'is not an ELF file');
  const wide = bytes[4] === 2;
  if (bytes.length < (wide ? 64 : 52)) throw defect(file, 'ends inside its ELF header');
  if (!wide && bytes[4] !== 1) throw defect(file, `has ELF class ${bytes[4]}, which does not exist`);
  if (bytes[5] !== 1) throw defect(file, 'is a big-endian ELF file', 'name a kernel for x86');
  const machine = view.getUint16(18, true);
  if (machine !== MACHINE_386 && machine !== MACHINE_X86_64)
    throw defect(file, `is for another processor (ELF machine ${machine})`, 'name a kernel for x86');
  const { word, header } = reader(view, wide);
  const tableAt = word(wide ? 32 : 28);
  const entrySize = view.getUint16(wide ? 54 : 42, true);
  const count = view.getUint16(wide ? 56 : 44, true);
  if (entrySize < (wide ? 56 : 32) || count > MAX_HEADERS) throw defect(file, 'has an impossible program header table');
  if (!(tableAt + entrySize * count <= bytes.length)) throw defect(file, 'ends inside its program headers');

  const segments: ElfSegment[] = [];
  const notes: ElfNote[] = [];
  for (let i = 0; i < count; i++) {
    const h = header(tableAt + i * entrySize);
    if (h.type !== PT_LOAD && h.type !== PT_NOTE) continue;
    if (!(h.offset + h.fileSize <= bytes.length)) throw defect(file, `ends inside segment ${i}`);
    const content = bytes.subarray(h.offset, h.offset + h.fileSize);
    if (h.type === PT_NOTE) notes.push(...notesIn(content));
    else if (h.memorySize > 0) {
      if (h.fileSize > h.memorySize) throw defect(file, `has more bytes in the file than in memory for segment ${i}`);
      segments.push({ gpa: h.gpa, bytes: content, memorySize: h.memorySize, virtual: h.virtual });
    }
  }
  if (segments.length === 0) throw defect(file, 'has nothing to load');
  return { class: wide ? 64 : 32, entry: word(24), segments, notes };
}
