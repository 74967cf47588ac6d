/**
 * Multiboot 1 with modules. The kernel is an ELF file, or any file whose header gives its addresses.
 * Spec: Multiboot Specification 0.6.96, chapter 3.
 */
import { EngineError } from '../base/errors.ts';
import { alignUp, join, littleEndian } from './bytes.ts';
import { CONVENTIONAL_END, memoryMap } from './e820.ts';
import { defect, type ElfFile, isElf, parseElf } from './elf.ts';
import { isUsable, loadSegments, loads } from './placement.ts';
import { lowRam } from './platform.ts';
import type { PvhBoot } from './pvh.ts';
import { enter, type InitialRegisters } from './registers.ts';

/** `file` is also the first word of the command line that the kernel sees. */
export type MultibootBoot = PvhBoot;

const HEADER_MAGIC = 0x1badb002;
const LOADER_MAGIC = 0x2badb002;
/** The header lies wholly in the first 8 KiB of the file. */
const SEARCH = 8192;
const WANTS_VIDEO = 1 << 2;
const HAS_ADDRESSES = 1 << 16;
/** Bits 0-15 are requirements; those we do not know must make us refuse. */
const UNKNOWN_REQUIREMENTS = 0xfff8;
const MAX_MODULES = 64;
const COMMAND_LINE_MAX = 4096;

/** Information structure flags: memory sizes, command line, modules, memory map, loader name. */
const INFO_FLAGS = (1 << 0) | (1 << 2) | (1 << 3) | (1 << 6) | (1 << 9);
const INFO_SIZE = 88;

const u32 = (value: number) => littleEndian(value, 4);

/** Offset of the header in the file, or undefined. */
function findHeader(bytes: Uint8Array): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + 12 <= Math.min(bytes.length, SEARCH); at += 4) {
    if (view.getUint32(at, true) !== HEADER_MAGIC) continue;
    if (((HEADER_MAGIC + view.getUint32(at + 4, true) + view.getUint32(at + 8, true)) & 0xffffffff) === 0) return at;
  }
  return undefined;
}

export const isMultiboot = (bytes: Uint8Array): boolean => findHeader(bytes) !== undefined;

/** The load image that the address fields of the header describe (3.1.3), in the form of an ELF file. */
function addressFields(file: string, bytes: Uint8Array, at: number): ElfFile {
  if (at + 32 > bytes.length) throw defect(file, 'ends inside its multiboot header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [header = 0, load = 0, loadEnd = 0, bssEnd = 0, entry = 0] = [12, 16, 20, 24, 28].map((field) =>
    view.getUint32(at + field, true),
  );
  const offset = at - (header - load);
  const size = loadEnd === 0 ? bytes.length - offset : loadEnd - load;
  if (load > header || offset < 0 || size <= 0 || offset + size > bytes.length)
    throw defect(file, 'has impossible addresses in its multiboot header');
  const memorySize = bssEnd === 0 ? size : bssEnd - load;
  if (memorySize < size) throw defect(file, 'has impossible addresses in its multiboot header');
  return {
    class: 32,
    entry,
    notes: [],
    segments: [{ gpa: load, bytes: bytes.subarray(offset, offset + size), memorySize, virtual: load }],
  };
}

function parse({ file, kernel }: MultibootBoot): ElfFile {
  const at = findHeader(kernel);
  if (at === undefined) throw defect(file, 'has no multiboot header', 'name a multiboot kernel');
  const flags = new DataView(kernel.buffer, kernel.byteOffset, kernel.length).getUint32(at + 4, true);
  if ((flags & UNKNOWN_REQUIREMENTS) !== 0) throw defect(file, 'requires a multiboot feature that does not exist');
  if ((flags & WANTS_VIDEO) !== 0)
    throw defect(file, 'asks for a video mode before it starts', 'name a kernel that sets the mode itself');
  if ((flags & HAS_ADDRESSES) !== 0) return addressFields(file, kernel, at);
  if (!isElf(kernel)) throw defect(file, 'has a multiboot header without addresses and is not an ELF file');
  return parseElf(file, kernel);
}

/** Load the kernel, the modules on page boundaries above it and the information structure behind them. */
export function loadMultiboot(boot: MultibootBoot): InitialRegisters {
  const { file, memory, platform } = boot;
  const elf = parse(boot);
  const modules = boot.modules ?? [];
  if (modules.length > MAX_MODULES) throw defect(file, `is given ${modules.length} modules`, `give at most ${MAX_MODULES}`);
  if (!loads(elf, elf.entry)) throw defect(file, 'has its entry point outside what it loads');
  const end = loadSegments(file, elf, boot);

  // A kernel that lies in conventional memory still gets its structures above 1 MiB when there is any.
  let at = alignUp(end, 4096);
  const need = INFO_SIZE + modules.reduce((sum, module) => sum + alignUp(module.bytes.length, 4096), 0) + 0x10000;
  if (!isUsable(platform, at, need) && isUsable(platform, 0x100000, need)) at = 0x100000;
  const placed = modules.map((module, i) => {
    const size = module.bytes.length;
    if (!isUsable(platform, at, size)) {
      throw new EngineError('boot-room', {
        what: modules.length === 1 ? 'initrd' : `module ${i + 1}`,
        bytes: size,
        ramBytes: platform.ramBytes,
        neededBytes: at + size + 0x10000,
      });
    }
    memory.write(at, module.bytes);
    const start = at;
    at = alignUp(at + size, 4096);
    return { start, end: start + size };
  });
  writeInfo(boot, at, placed);
  return enter(memory, boot.tables.free, { mode: 'protected', rip: elf.entry, rax: LOADER_MAGIC, rbx: at });
}

/** Information structure at `at`, followed by module list, memory map and strings. */
function writeInfo(boot: MultibootBoot, at: number, placed: readonly { readonly start: number; readonly end: number }[]): void {
  const { file, memory, platform } = boot;
  const line = boot.commandLine === '' ? file : `${file} ${boot.commandLine}`;
  const text = [line, 'Rootmode', ...(boot.modules ?? []).map((module) => module.commandLine ?? '')].map((one) =>
    join(new TextEncoder().encode(one), Uint8Array.of(0)),
  );
  for (const one of text)
    if (one.length > COMMAND_LINE_MAX)
      throw new EngineError('boot-command-line', { bytes: one.length - 1, maximum: COMMAND_LINE_MAX - 1 });
  const ranges = memoryMap(platform);
  const moduleList = alignUp(at + INFO_SIZE, 16);
  const map = moduleList + 16 * placed.length;
  const textAt = [map + 24 * ranges.length];
  for (const one of text) textAt.push((textAt.at(-1) ?? 0) + one.length);
  const end = textAt.at(-1) ?? 0;
  if (!isUsable(platform, at, end - at)) {
    throw new EngineError('boot-room', {
      what: 'multiboot information',
      bytes: end - at,
      ramBytes: platform.ramBytes,
      neededBytes: end,
    });
  }
  const upper = Math.max(0, lowRam(platform) - 0x100000) / 1024;
  memory.write(
    at,
    join(
      u32(INFO_FLAGS),
      u32(CONVENTIONAL_END / 1024),
      u32(upper),
      u32(0),
      u32(textAt[0] ?? 0),
      u32(placed.length),
      u32(moduleList),
      new Uint8Array(16),
      u32(24 * ranges.length),
      u32(map),
      new Uint8Array(12),
      u32(textAt[1] ?? 0),
      new Uint8Array(INFO_SIZE - 68),
    ),
  );
  memory.write(moduleList, join(...placed.map((one, i) => join(u32(one.start), u32(one.end), u32(textAt[i + 2] ?? 0), u32(0)))));
  memory.write(
    map,
    join(
      ...ranges.map(({ start, end: top, type }) =>
        join(u32(20), littleEndian(start, 8), littleEndian(top - start, 8), u32(type)),
      ),
    ),
  );
  memory.write(textAt[0] ?? 0, join(...text));
}
