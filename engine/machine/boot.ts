/** Power-on of a machine that boots its kernel directly: images read, hardware reset, first vCPU in the state the protocol prescribes. */

import { REQUEST } from '../base/index.ts';
import type { Board } from '../board/board.ts';
import type { MachineSettings } from '../contract/settings.ts';
import type { KvmSegment, Machine } from '../hypervisor/index.ts';

type BootFiles = Parameters<Board['boot']>[0];
type BootState = ReturnType<Board['boot']>;

/** Read what the settings name. `readFile` fails with `file-missing` and the like. */
export function readBootFiles(settings: MachineSettings, readFile: (path: string, what: string) => Uint8Array): BootFiles {
  const [first, ...others] = settings.modules.map(({ file, text }) => ({ text, bytes: readFile(file, 'initrd') }));
  return {
    kernel: { name: settings.kernel, bytes: readFile(settings.kernel, 'kernel') },
    ...(first && { initrd: { name: first.text, bytes: first.bytes } }),
    modules: others.map(({ text, bytes }) => ({ bytes, commandLine: text })),
    commandLine: settings.append,
  };
}

export interface PowerOnParts {
  readonly machine: Machine;
  readonly board: Board;
  readonly files: BootFiles;
}

/** Under the machine lock, with every vCPU stopped. Throws what the board's `boot` throws; the machine is then in no defined state. */
export function powerOn({ machine, board, files }: PowerOnParts): void {
  machine.reset();
  board.reset();
  setFirstVcpu(machine, board.boot(files));
  // The vCPUs' own threads have views of their own: at their next run they look at everything anew.
  machine.requests.raise(-1, REQUEST.flushTlb);
}

function setFirstVcpu({ vcpus }: Machine, { registers, msrs }: BootState): void {
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
  first.set('msrs', msrs);
}
