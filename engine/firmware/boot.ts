/** Which boot protocol a kernel file speaks, and booting by it. */
import { EngineError } from '../base/errors.ts';
import type { GuestWriter } from './bytes.ts';
import { defect, isElf } from './elf.ts';
import { leaveTables } from './leave-tables.ts';
import { isBzImage, loadLinux, SETUP_DATA_TYPE, type SetupData } from './linux.ts';
import { isMultiboot, loadMultiboot } from './multiboot.ts';
import type { Platform } from './platform.ts';
import { isPvh, loadPvh, type Module } from './pvh.ts';
import type { InitialRegisters } from './registers.ts';

export type BootProtocol = 'linux' | 'pvh' | 'multiboot';

/** What a machine boots. Names stand in errors and command lines; bytes are the files' contents. */
export interface BootFiles {
  readonly kernel?: { readonly name: string; readonly bytes: Uint8Array };
  /** Linux: one initrd. PVH and multiboot: the first module. */
  readonly initrd?: { readonly name: string; readonly bytes: Uint8Array };
  /** Further modules for PVH and multiboot. */
  readonly modules?: readonly Module[];
  readonly commandLine?: string;
  readonly setupData?: readonly SetupData[];
  /** Linux: what nobody can foresee, for the kernel's generator of random numbers. */
  readonly seed?: Uint8Array;
}

/**
 * The protocol of a kernel file. Linux is asked first, then multiboot, then PVH: a file with several headers is most exactly
 * described by the earlier one. Throws `boot-file` for anything else.
 */
export function detectProtocol(file: string, bytes: Uint8Array): BootProtocol {
  if (isBzImage(bytes)) return 'linux';
  if (isMultiboot(bytes)) return 'multiboot';
  if (isPvh(file, bytes)) return 'pvh';
  if (bytes.length === 0) throw defect(file, 'is empty');
  if (isElf(bytes))
    throw defect(
      file,
      'is an ELF file with neither a PVH entry point nor a multiboot header',
      'name a bzImage, or a kernel built with CONFIG_PVH',
    );
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) throw defect(file, 'is compressed by gzip', 'unpack it, or name a bzImage');
  throw defect(file, 'is no kernel that this PC can start', 'name a Linux bzImage, a PVH or a multiboot kernel');
}

/**
 * Leave firmware's tables in memory, load the kernel by its protocol and return the first processor's registers.
 * Throws `boot-nothing`, `boot-file`, `boot-room` or `boot-command-line`; memory is then in no defined state.
 */
export function bootDirectly(
  files: BootFiles,
  to: { readonly platform: Platform; readonly memory: GuestWriter },
): InitialRegisters {
  const { kernel } = files;
  if (!kernel) throw new EngineError('boot-nothing', {});
  const protocol = detectProtocol(kernel.name, kernel.bytes);
  const tables = leaveTables(to.platform, to.memory);
  const common = { ...to, tables, file: kernel.name, kernel: kernel.bytes, commandLine: files.commandLine ?? '' };
  if (protocol === 'linux') {
    const seed = files.seed ? [{ type: SETUP_DATA_TYPE.rngSeed, bytes: files.seed }] : [];
    return loadLinux({
      ...common,
      ...(files.initrd && { initrd: files.initrd.bytes }),
      setupData: [...seed, ...(files.setupData ?? [])],
    });
  }
  const first = files.initrd ? [{ bytes: files.initrd.bytes, commandLine: files.initrd.name }] : [];
  const modules = [...first, ...(files.modules ?? [])];
  return protocol === 'pvh' ? loadPvh({ ...common, modules }) : loadMultiboot({ ...common, modules });
}
