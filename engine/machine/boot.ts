/**
 * Power-on of a machine: with firmware, which the first vCPU starts in, or with a kernel, whose boot protocol says how it starts.
 */

import { REQUEST } from '../base/index.ts';
import type { Board, VariablesFile } from '../board/board.ts';
import type { MachineSettings } from '../contract/settings.ts';
import type { KvmSegment, Machine } from '../hypervisor/index.ts';
import type { IoHost } from './ports.ts';

type BootFiles = Parameters<Board['boot']>[0];
type BootState = ReturnType<Board['boot']>;

/** What a machine starts from: a kernel with what belongs to it, or firmware. */
export type StartFiles =
  | { readonly name: string; readonly ours: boolean; readonly firmware: Uint8Array; readonly variables?: VariablesFile }
  | { readonly files: BootFiles; readonly bios: Uint8Array };

type StartHost = Pick<IoHost, 'readFile' | 'randomBytes'>;
/** Bytes that a kernel's generator of random numbers is seeded with. */
const SEED_BYTES = 32;

/** Read what the settings name, or the BIOS that is built in. `readFile` fails with `file-missing` and the like. */
export function readStartFiles(settings: MachineSettings, builtIn: string, host: StartHost): StartFiles {
  const { kernel, firmware } = settings;
  const { readFile } = host;
  const bios = () => readFile(builtIn, 'built-in firmware');
  // A kernel that starts by itself finds the screen as the BIOS leaves it, with its characters.
  if (kernel !== undefined) return { files: kernelFiles(settings, kernel, host), bios: bios() };
  if (firmware === undefined) return { name: builtIn, ours: true, firmware: bios() };
  const kept = settings.variables;
  const variables = kept !== undefined && { name: kept, read: () => readFile(kept, 'file of variables') };
  return { name: firmware, ours: false, firmware: readFile(firmware, 'firmware'), ...(variables && { variables }) };
}

function kernelFiles(settings: MachineSettings, kernel: string, { readFile, randomBytes }: StartHost): BootFiles {
  const [first, ...others] = settings.modules.map(({ file, text }) => ({ text, bytes: readFile(file, 'initrd') }));
  return {
    kernel: { name: kernel, bytes: readFile(kernel, 'kernel') },
    ...(first && { initrd: { name: first.text, bytes: first.bytes } }),
    modules: others.map(({ text, bytes }) => ({ bytes, commandLine: text })),
    commandLine: settings.append,
    seed: randomBytes(SEED_BYTES),
  };
}

export interface PowerOnParts {
  readonly machine: Machine;
  readonly board: Board;
  readonly start: StartFiles;
}

/** Under the machine lock, with every vCPU stopped. Throws what the board's `boot` throws; the machine is then in no defined state. */
export function powerOn({ machine, board, start }: PowerOnParts): void {
  if ('firmware' in start) board.loadFirmware(start.name, start.firmware, start.variables);
  else board.loadFirmware('', new Uint8Array(0));
  machine.reset();
  board.reset();
  if ('firmware' in start) board.startFirmware();
  else setFirstVcpu(machine, board.boot(start.files, start.bios));
  // As a BIOS that has woken every processor leaves them; firmware of others wakes them itself. An INIT keeps these registers.
  if (!('firmware' in start) || start.ours) for (const vcpu of machine.vcpus) vcpu.set('msrs', board.processorMsrs);
  // The vCPUs' own threads have views of their own: at their next run they look at everything anew.
  machine.requests.raise(-1, REQUEST.flushTlb);
}

function setFirstVcpu({ vcpus }: Machine, { registers }: BootState): void {
  const [first] = vcpus;
  if (first === undefined) return;
  const sregs = first.get('sregs');
  const regs = first.get('regs');
  const { segments, gdt, idt } = registers;
  const named = Object.entries(segments).map(([name, segment]): [string, KvmSegment] => [
    name,
    { ...segment, base: BigInt(segment.base), avl: 0, unusable: segment.present === 1 ? 0 : 1 },
  ]);
  first.set('sregs', {
    ...sregs,
    ...(Object.fromEntries(named) as Record<keyof typeof segments, KvmSegment>),
    gdt: { base: BigInt(gdt.base), limit: gdt.limit },
    idt: { base: BigInt(idt.base), limit: idt.limit },
    cr0: BigInt(registers.cr0),
    cr3: BigInt(registers.cr3),
    cr4: BigInt(registers.cr4),
    efer: BigInt(registers.efer),
  });
  first.set('regs', {
    ...regs,
    rax: BigInt(registers.rax),
    rbx: BigInt(registers.rbx),
    rsi: BigInt(registers.rsi),
    rsp: BigInt(registers.rsp),
    rip: BigInt(registers.rip),
    rflags: BigInt(registers.rflags),
  });
}
