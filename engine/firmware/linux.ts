/**
 * Linux bzImage by the 64-bit boot protocol, or its 32-bit form for kernels that have no 64-bit entry.
 * Spec: Linux, Documentation/arch/x86/boot.rst and zero-page.rst (protocol 2.15).
 */
import { EngineError } from '../base/errors.ts';
import { alignUp, type GuestWriter, join, littleEndian } from './bytes.ts';
import { memoryMap } from './e820.ts';
import { defect } from './elf.ts';
import type { FirmwareTables } from './leave-tables.ts';
import { clear, isUsable, placeHigh } from './placement.ts';
import { lowRam, type Platform } from './platform.ts';
import { enter, type InitialRegisters } from './registers.ts';

/** Of entries in the setup_data chain. Linux trusts a seed as its configuration says, and overwrites it. */
export const SETUP_DATA_TYPE = { rngSeed: 9 } as const;

/** An entry of the kernel's setup_data chain. */
export interface SetupData {
  readonly type: number;
  readonly bytes: Uint8Array;
}

export interface LinuxBoot {
  readonly platform: Platform;
  readonly memory: GuestWriter;
  readonly tables: FirmwareTables;
  /** Name used in errors. */
  readonly file: string;
  readonly kernel: Uint8Array;
  readonly initrd?: Uint8Array;
  readonly commandLine: string;
  readonly setupData?: readonly SetupData[];
}

/** Where boot structures lie in conventional memory; the kernel copies or reclaims all of them. */
const ZERO_PAGE = 0x10000;
const SETUP_DATA = 0x11000;
const COMMAND_LINE = 0x20000;
const COMMAND_LINE_ROOM = 0x10000;
const PAGE_TABLES = 0x30000;
const BOOT_STACK = 0x90000;
const SETUP_DATA_ROOM = COMMAND_LINE - SETUP_DATA;

/** Offsets in the setup header, which starts at 0x1f1 of both the file and the zero page. */
const H = {
  setupSectors: 0x1f1,
  bootFlag: 0x1fe,
  jump: 0x200,
  magic: 0x202,
  version: 0x206,
  loader: 0x210,
  loadFlags: 0x211,
  code32: 0x214,
  ramdiskImage: 0x218,
  ramdiskSize: 0x21c,
  heapEnd: 0x224,
  commandLine: 0x228,
  initrdMax: 0x22c,
  xloadFlags: 0x236,
  commandLineSize: 0x238,
  setupData: 0x250,
  preferred: 0x258,
  initSize: 0x260,
} as const;

/**
 * screen_info from offset 6 on, as the kernel's own set-up code finds it in mode 3: mode, columns, EGA memory of no use, lines, VGA, height of
 * characters. What lies before is the cursor at the upper left.
 */
const TEXT_SCREEN = { at: 0x06, bytes: [0x03, 80, 0, 0, 0, 0, 0, 0, 25, 0x01, 16, 0] } as const;

const LOADED_HIGH = 1 << 0;
const CAN_USE_HEAP = 1 << 7;
const XLF_KERNEL_64 = 1 << 0;
const LOADER_UNDEFINED = 0xff;
const MAX_E820 = 128;

/** Does this look like a Linux boot sector? */
export function isBzImage(bytes: Uint8Array): boolean {
  if (bytes.length < 0x264) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return view.getUint16(H.bootFlag, true) === 0xaa55 && view.getUint32(H.magic, true) === 0x53726448;
}

interface KernelHeader {
  readonly bytes: Uint8Array;
  readonly code: Uint8Array;
  readonly entry64: boolean;
  readonly loadAt: number;
  /** Bytes the kernel uses from its load address before it has read the memory map. */
  readonly initSize: number;
  readonly initrdMax: number;
  readonly commandLineMax: number;
  /** It follows the setup_data chain. */
  readonly chained: boolean;
}

function parse({ file, kernel, platform }: LinuxBoot): KernelHeader {
  if (!isBzImage(kernel)) throw defect(file, 'is not a Linux kernel image', 'name a bzImage, a PVH or a multiboot kernel');
  const view = new DataView(kernel.buffer, kernel.byteOffset, kernel.length);
  const version = view.getUint16(H.version, true);
  if (version < 0x0206)
    throw defect(file, `speaks boot protocol ${version >> 8}.${version & 0xff}`, 'name a kernel of version 2.6.22 or newer');
  if ((kernel[H.loadFlags] ?? 0) % 2 !== LOADED_HIGH) throw defect(file, 'is a zImage, which loads low', 'name a bzImage');
  const headerEnd = H.magic + (kernel[H.jump + 1] ?? 0);
  const setupSize = ((kernel[H.setupSectors] || 4) + 1) * 512;
  if (headerEnd > setupSize || setupSize >= kernel.length) throw defect(file, 'ends inside its setup code');
  const code = kernel.subarray(setupSize);
  const has = (field: number, size: number) => field + size <= headerEnd;
  const preferred = version >= 0x020a && has(H.preferred, 8) ? Number(view.getBigUint64(H.preferred, true)) : 0x100000;
  const initSize = version >= 0x020a && has(H.initSize, 4) ? view.getUint32(H.initSize, true) : code.length;
  const size = Math.max(initSize, code.length);
  // A relocatable kernel may be entered lower, but unpacks itself to the preferred address all the same: what lies there must be RAM.
  const loadAt = isUsable(platform, preferred, size) ? preferred : undefined;
  if (loadAt === undefined) {
    const neededBytes = preferred + size;
    if (neededBytes > platform.ramHole.start) throw defect(file, `says that it needs ${size} bytes at ${preferred}`);
    throw new EngineError('boot-room', { what: 'kernel', bytes: size, ramBytes: platform.ramBytes, neededBytes });
  }
  return {
    bytes: kernel.subarray(H.setupSectors, headerEnd),
    code,
    entry64: version >= 0x020c && has(H.xloadFlags, 2) && (view.getUint16(H.xloadFlags, true) & XLF_KERNEL_64) !== 0,
    loadAt,
    initSize: size,
    initrdMax: view.getUint32(H.initrdMax, true),
    commandLineMax: view.getUint32(H.commandLineSize, true) || 255,
    chained: version >= 0x0209 && has(H.setupData, 8),
  };
}

/** Identity map of the first 4 GiB in 2 MiB pages: root, one directory pointer table, four directories. Returns the root. */
function writePageTables(memory: GuestWriter): number {
  const PRESENT_WRITABLE = 0x3n;
  const LARGE = 0x80n;
  const table = (entries: readonly bigint[]) => join(...entries.map((entry) => littleEndian(entry, 8)));
  const pointers = PAGE_TABLES + 0x1000;
  const directories = PAGE_TABLES + 0x2000;
  clear(memory, PAGE_TABLES, 0x2000);
  memory.write(PAGE_TABLES, table([BigInt(pointers) | PRESENT_WRITABLE]));
  memory.write(pointers, table([0, 1, 2, 3].map((i) => BigInt(directories + i * 0x1000) | PRESENT_WRITABLE)));
  const pages = Array.from({ length: 2048 }, (_, i) => (BigInt(i) << 21n) | PRESENT_WRITABLE | LARGE);
  memory.write(directories, table(pages));
  return PAGE_TABLES;
}

/** Chain the given blobs and return the address of the first, 0 when there are none. */
function writeSetupData(boot: LinuxBoot): number {
  const blobs = boot.setupData ?? [];
  let at = SETUP_DATA;
  blobs.forEach(({ type, bytes }, i) => {
    const next = alignUp(at + 16 + bytes.length, 16);
    if (next > SETUP_DATA + SETUP_DATA_ROOM) throw defect(boot.file, 'is given more set-up data than fits', 'give less of it');
    boot.memory.write(
      at,
      join(littleEndian(i + 1 < blobs.length ? next : 0, 8), littleEndian(type, 4), littleEndian(bytes.length, 4), bytes),
    );
    at = next;
  });
  return blobs.length === 0 ? 0 : SETUP_DATA;
}

/** The zero page: header of the file with the loader's fields filled in, memory map, RSDP. */
function zeroPage(boot: LinuxBoot, header: KernelHeader, initrdAt: number): Uint8Array {
  const page = new Uint8Array(4096);
  const view = new DataView(page.buffer);
  page.set(header.bytes, H.setupSectors);
  const extended = lowRam(boot.platform) - 0x100000;
  view.setUint16(0x002, Math.min(extended / 1024, 0xffff), true);
  view.setUint32(0x1e0, extended / 1024, true);
  if (boot.platform.display) page.set(TEXT_SCREEN.bytes, TEXT_SCREEN.at);
  view.setBigUint64(0x070, BigInt(boot.tables.rsdp), true);
  page[H.loader] = LOADER_UNDEFINED;
  page[H.loadFlags] = (page[H.loadFlags] ?? 0) | CAN_USE_HEAP;
  view.setUint16(H.heapEnd, 0xe000, true);
  view.setUint32(H.code32, header.loadAt, true);
  view.setUint32(H.commandLine, COMMAND_LINE, true);
  view.setUint32(H.ramdiskImage, initrdAt, true);
  view.setUint32(H.ramdiskSize, boot.initrd?.length ?? 0, true);
  if (header.chained) view.setBigUint64(H.setupData, BigInt(writeSetupData(boot)), true);
  const map = memoryMap(boot.platform).slice(0, MAX_E820);
  page[0x1e8] = map.length;
  map.forEach(({ start, end, type }, i) => {
    view.setBigUint64(0x2d0 + i * 20, BigInt(start), true);
    view.setBigUint64(0x2d8 + i * 20, BigInt(end - start), true);
    view.setUint32(0x2e0 + i * 20, type, true);
  });
  return page;
}

/** Put kernel, initrd, command line and boot structures into memory and say how the first processor starts. */
export function loadLinux(boot: LinuxBoot): InitialRegisters {
  const { memory, platform } = boot;
  const header = parse(boot);
  const commandLine = join(utf8(boot.commandLine), Uint8Array.of(0));
  const maximum = Math.min(header.commandLineMax, COMMAND_LINE_ROOM - 1);
  if (commandLine.length - 1 > maximum) throw new EngineError('boot-command-line', { bytes: commandLine.length - 1, maximum });
  let initrdAt = 0;
  if (boot.initrd && boot.initrd.length > 0) {
    const limit = (header.initrdMax || 0x37ffffff) + 1;
    initrdAt = placeHigh('initrd', boot.initrd.length, { platform, floor: header.loadAt + header.initSize, limit });
    memory.write(initrdAt, boot.initrd);
  }
  memory.write(header.loadAt, header.code);
  memory.write(COMMAND_LINE, commandLine);
  memory.write(ZERO_PAGE, zeroPage(boot, header, initrdAt));
  const common = { rsi: ZERO_PAGE, rsp: BOOT_STACK };
  if (header.entry64) {
    return enter(memory, boot.tables.free, { ...common, mode: 'long', rip: header.loadAt + 0x200, cr3: writePageTables(memory) });
  }
  return enter(memory, boot.tables.free, { ...common, mode: 'protected', rip: header.loadAt });
}

/** Command lines are bytes to the guest; the host's text is UTF-8. */
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
