/**
 * PVH direct boot of an ELF kernel: 32-bit protected mode without paging, EBX points to hvm_start_info.
 * Spec: Xen, docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h.
 */
import { EngineError } from '../base/errors.ts';
import { alignUp, type GuestWriter, join, littleEndian } from './bytes.ts';
import { memoryMap } from './e820.ts';
import { defect, type ElfFile, isElf, parseElf } from './elf.ts';
import type { FirmwareTables } from './leave-tables.ts';
import { isUsable, loadSegments, loads, placeHigh } from './placement.ts';
import type { Platform } from './platform.ts';
import { enter, type InitialRegisters } from './registers.ts';

export interface Module {
  readonly bytes: Uint8Array;
  readonly commandLine?: string;
}

export interface PvhBoot {
  readonly platform: Platform;
  readonly memory: GuestWriter;
  readonly tables: FirmwareTables;
  /** Name used in errors. */
  readonly file: string;
  readonly kernel: Uint8Array;
  readonly modules?: readonly Module[];
  readonly commandLine: string;
}

const START_MAGIC = 0x336ec578;
const NOTE_PHYS32_ENTRY = 18;
/** Start info, module list, memory map and command lines lie above the kernel in this order. */
const START_INFO_SIZE = 56;
const COMMAND_LINE_MAX = 4096;
const MAX_MODULES = 64;

const u32 = (value: number) => littleEndian(value, 4);
const u64 = (value: number) => littleEndian(value, 8);

function physicalEntry(elf: ElfFile): number | undefined {
  const note = elf.notes.find((one) => one.owner === 'Xen' && one.type === NOTE_PHYS32_ENTRY && one.bytes.length >= 4);
  if (!note) return undefined;
  return new DataView(note.bytes.buffer, note.bytes.byteOffset, note.bytes.length).getUint32(0, true);
}

/** Is this an ELF file that names a PVH entry point? Throws `boot-file` when the ELF file is damaged. */
export function isPvh(file: string, bytes: Uint8Array): boolean {
  return isElf(bytes) && physicalEntry(parseElf(file, bytes)) !== undefined;
}

/** Load the kernel, put the modules at the top of memory and the start info above the kernel. */
export function loadPvh(boot: PvhBoot): InitialRegisters {
  const { file, memory, platform } = boot;
  const elf = parseElf(file, boot.kernel);
  const entry = physicalEntry(elf);
  if (entry === undefined) throw defect(file, 'has no PVH entry point', 'name a kernel built with CONFIG_PVH, or a bzImage');
  if (!loads(elf, entry)) throw defect(file, 'has its PVH entry point outside what it loads');
  const modules = boot.modules ?? [];
  if (modules.length > MAX_MODULES) throw defect(file, `is given ${modules.length} modules`, `give at most ${MAX_MODULES}`);
  const text = [boot.commandLine, ...modules.map((module) => module.commandLine ?? '')].map((one) =>
    join(new TextEncoder().encode(one), Uint8Array.of(0)),
  );
  for (const one of text)
    if (one.length > COMMAND_LINE_MAX)
      throw new EngineError('boot-command-line', { bytes: one.length - 1, maximum: COMMAND_LINE_MAX - 1 });

  const end = loadSegments(file, elf, boot);
  const ranges = memoryMap(platform);
  const startInfo = alignUp(end, 4096);
  const moduleList = startInfo + 64;
  const map = moduleList + 32 * modules.length;
  const textAt = [map + 24 * ranges.length];
  for (const one of text) textAt.push((textAt.at(-1) ?? 0) + one.length);
  const floor = textAt.at(-1) ?? 0;
  if (!isUsable(platform, startInfo, floor - startInfo)) {
    throw new EngineError('boot-room', {
      what: 'start info',
      bytes: floor - startInfo,
      ramBytes: platform.ramBytes,
      neededBytes: floor,
    });
  }
  let limit = platform.ramHole.start;
  const moduleEntries = modules.map((module, i) => {
    limit = placeHigh(modules.length === 1 ? 'initrd' : `module ${i + 1}`, module.bytes.length, { platform, floor, limit });
    memory.write(limit, module.bytes);
    return join(u64(limit), u64(module.bytes.length), u64(textAt[i + 1] ?? 0), u64(0));
  });
  const info = join(
    u32(START_MAGIC),
    u32(1),
    u32(0),
    u32(modules.length),
    u64(modules.length === 0 ? 0 : moduleList),
    u64(textAt[0] ?? 0),
    u64(boot.tables.rsdp),
    u64(map),
    u32(ranges.length),
    u32(0),
  );
  memory.write(startInfo, join(info, new Uint8Array(64 - START_INFO_SIZE), ...moduleEntries));
  memory.write(map, join(...ranges.map(({ start, end: top, type }) => join(u64(start), u64(top - start), u32(type), u32(0)))));
  memory.write(textAt[0] ?? 0, join(...text));
  return enter(memory, boot.tables.free, { mode: 'protected', rip: entry, rbx: startInfo });
}
