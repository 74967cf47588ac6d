/** Messages between the threads of one machine. State they share stands in the machine's memory; these say what happened. */
import { EngineError, type ErrorCode } from '../base/index.ts';
import type { ScreenText } from '../board/display.ts';
import type { PointerMove } from '../board/keyboard.ts';
import type { PciReport } from '../board/pci-report.ts';
import type { MachineSettings } from '../contract/settings.ts';
import type { EntryCheck, InterruptReport, VmcsImage, Walk } from '../hypervisor/index.ts';
import type { MediaChange } from './drives.ts';
import type { KeyStroke } from './keymap.ts';
import type { PointerAction } from './pointer.ts';

/** What a thread of a machine is there for. */
export type ThreadRole = { readonly kind: 'io' } | { readonly kind: 'vcpus'; readonly vcpus: readonly number[] };

/** Everything a thread needs to build its view of the machine. Cloned into it; memory and code stay shared. */
export interface ThreadPlan {
  readonly settings: MachineSettings;
  readonly memory: WebAssembly.Memory;
  /** The host's monotonic clock at the machine's zero, ns. */
  readonly clockOrigin: bigint;
  /** Path of the BIOS that a machine without a kernel starts with. */
  readonly builtInFirmware: string;
  /** Option ROMs for firmware that is not ours, by their names in fw_cfg. */
  readonly displayRom: Uint8Array | undefined;
  readonly role: ThreadRole;
}

export interface RegisterValue {
  readonly group: string;
  readonly name: string;
  /** Lower case hexadecimal with `0x`. */
  readonly value: string;
}

/** What a vCPU tells about itself between two instructions. */
export interface VcpuReport {
  readonly vcpu: number;
  readonly activity: 'running' | 'halted' | 'waiting-for-sipi' | 'stopped';
  readonly instructions: number;
  readonly registers: readonly RegisterValue[];
}

/** Whose addresses: linear, guest-physical, or physical for the processor the guest runs on. */
export type AddressSpace = 'gva' | 'gpa' | 'hpa';

interface MemoryRange {
  readonly space: AddressSpace;
  readonly address: bigint;
}

/** What the main thread asks a vCPU while it runs or is parked, answered between two instructions. Those that change it: while it is parked. */
export type Question =
  | { readonly kind: 'registers' }
  | { readonly kind: 'vmcs' }
  | { readonly kind: 'entry-checks' }
  | { readonly kind: 'walk'; readonly gva: bigint }
  | ({ readonly kind: 'memory'; readonly bytes: number } & MemoryRange)
  | ({ readonly kind: 'memory-set'; readonly bytes: readonly number[] } & MemoryRange)
  | ({
      readonly kind: 'memory-find';
      readonly to: bigint;
      readonly pattern: readonly number[];
      readonly limit: number;
    } & MemoryRange)
  /** Bytes of code; absent address: from the next instruction on. */
  | { readonly kind: 'code'; readonly gva?: bigint; readonly bytes: number }
  | { readonly kind: 'registers-set'; readonly registers: readonly RegisterValue[] }
  | { readonly kind: 'step'; readonly count: number };

/** The next instruction of a vCPU. */
export interface NextInstruction {
  readonly linear: bigint;
  /** Width of the code there. */
  readonly bits: 16 | 32 | 64;
  readonly rsp: bigint;
  readonly cr3: bigint;
  readonly cpl: number;
}

/** What it answers. */
export type Answer =
  | { readonly kind: 'registers'; readonly report: VcpuReport }
  | { readonly kind: 'vmcs'; readonly vmcs: VmcsImage | undefined }
  | { readonly kind: 'entry-checks'; readonly checks: readonly EntryCheck[] | undefined }
  | { readonly kind: 'walk'; readonly walk: Walk }
  /** Absent bytes are -1. */
  | { readonly kind: 'memory'; readonly bytes: Int16Array }
  | { readonly kind: 'memory-set' }
  | { readonly kind: 'memory-find'; readonly found: readonly bigint[]; readonly next: bigint | undefined }
  | { readonly kind: 'code'; readonly next: NextInstruction; readonly from: bigint; readonly bytes: Uint8Array }
  | { readonly kind: 'registers-set' }
  | { readonly kind: 'step'; readonly retired: number; readonly next: NextInstruction }
  | { readonly kind: 'failed'; readonly failure: Failure };

export type AnswerTo<K extends Question['kind']> = Extract<Answer, { readonly kind: K }>;

/** How a machine ends, or what makes it begin again. */
export type MachineEvent =
  | { readonly kind: 'poweroff' }
  | { readonly kind: 'reset' }
  /** isa-debug-exit: the value written. */
  | { readonly kind: 'debug-exit'; readonly value: number }
  | { readonly kind: 'triple-fault'; readonly report: VcpuReport }
  /** The rules of VM entry up to the one that did not hold. */
  | { readonly kind: 'entry-failed'; readonly vcpu: number; readonly checks: readonly EntryCheck[] };

export type FromVcpus =
  | { readonly kind: 'parked' }
  | { readonly kind: 'event'; readonly event: MachineEvent }
  | { readonly kind: 'tone'; readonly hertz: number }
  /** A stop was met: the gate is closed, every vCPU requested out of its run. */
  | { readonly kind: 'stopped'; readonly vcpu: number; readonly stop: number; readonly what: string }
  | { readonly kind: 'answer'; readonly vcpu: number; readonly serial: number; readonly answer: Answer };

export type ToIo =
  /** Load the boot images and put every vCPU into its first state. vCPUs are parked. */
  | { readonly kind: 'boot' }
  | { readonly kind: 'power-button' }
  /** There is room on the host again, or somebody says so. */
  | { readonly kind: 'retry-drives' }
  | { readonly kind: 'change-medium'; readonly id: number; readonly change: MediaChange }
  | { readonly kind: 'leave-monitor'; readonly rest: Uint8Array }
  /** The process was continued after a stop: the shell may have changed the terminal. */
  | { readonly kind: 'continued' }
  /** For the guest's serial port, from somebody at the console. */
  | { readonly kind: 'serial-input'; readonly port: number; readonly bytes: Uint8Array }
  /** Keep what the guest sends in a file as well; absent: no longer. */
  | { readonly kind: 'serial-log'; readonly id: number; readonly port: number; readonly file: string | undefined }
  | { readonly kind: 'sleep-button' }
  | { readonly kind: 'screen'; readonly serial: number; readonly question: ScreenQuestion }
  /** A record of a view was shown. */
  | { readonly kind: 'screen-shown'; readonly stream: number; readonly serial: number }
  | { readonly kind: 'screen-close'; readonly stream: number }
  | { readonly kind: 'input'; readonly strokes: readonly KeyStroke[]; readonly move: PointerMove | undefined }
  /** Deliver what the guest has sent, close the host's ends, end. */
  | { readonly kind: 'finish' };

export type FromIo =
  /** The thread's view of the machine is complete. Where each vCPU's request word is, as a byte address: the main thread has no vCPUs. */
  | { readonly kind: 'built'; readonly requestWords: readonly number[] }
  | { readonly kind: 'booted' }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'event'; readonly event: MachineEvent }
  | { readonly kind: 'tone'; readonly hertz: number }
  | { readonly kind: 'quit' }
  /** The host has no room for what the guest writes: the request waits. */
  | { readonly kind: 'host-full'; readonly failure: Failure }
  /** An image failed; the guest sees a bad sector. */
  | { readonly kind: 'drive-failure'; readonly failure: Failure }
  /** What `change-medium` and `serial-log` of this number came to. */
  | { readonly kind: 'carried-out'; readonly id: number; readonly failure?: Failure }
  /** A file that kept what a port sent takes no more. */
  | { readonly kind: 'serial-log-ended'; readonly port: number; readonly failure: Failure }
  | { readonly kind: 'monitor'; readonly bytes: Uint8Array; readonly entered: boolean }
  /** The guest's serial output, where the console is its target. */
  | { readonly kind: 'serial-output'; readonly port: number; readonly bytes: Uint8Array }
  | { readonly kind: 'screen'; readonly serial: number; readonly answer: ScreenAnswer }
  | { readonly kind: 'screen-record'; readonly stream: number; readonly record: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'finished' };

/** What the main thread asks about the board: its screen and keyboard, its devices. */
export type ScreenQuestion =
  /** Devices and interrupt controllers with their state. */
  | { readonly kind: 'devices' }
  | { readonly kind: 'interrupts' }
  | { readonly kind: 'pci' }
  | { readonly kind: 'picture' }
  | { readonly kind: 'text' }
  /** Someone begins to look: records of this number follow. */
  | { readonly kind: 'view'; readonly stream: number }
  /** Queue these strokes. Fails with `keys-waiting`. */
  | { readonly kind: 'keys'; readonly strokes: readonly KeyStroke[] }
  /** Fails with `pointer-relative` and `pointer-unheard`. */
  | { readonly kind: 'pointer'; readonly action: PointerAction };

/** A device and its state; values as text. */
export interface DeviceReport {
  readonly name: string;
  readonly type: string;
  readonly members: readonly { readonly name: string; readonly value: string; readonly doc: string }[];
}

/** A picture of its own, which does not change. */
interface TakenPicture {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint32Array;
}

export type ScreenAnswer =
  | { readonly kind: 'devices'; readonly devices: readonly DeviceReport[] }
  | { readonly kind: 'interrupts'; readonly report: InterruptReport }
  | { readonly kind: 'pci'; readonly functions: PciReport }
  | { readonly kind: 'picture'; readonly picture: TakenPicture }
  /** `text` is undefined in graphics modes. */
  | { readonly kind: 'text'; readonly text: ScreenText | undefined }
  | { readonly kind: 'view' }
  | { readonly kind: 'keys' }
  /** Whether the guest takes positions. */
  | { readonly kind: 'pointer'; readonly positions: boolean }
  | { readonly kind: 'failed'; readonly failure: Failure };

/** An error on its way to another thread. */
export interface Failure {
  readonly code: ErrorCode;
  readonly data: unknown;
}

export function packFailure(error: unknown): Failure {
  if (error instanceof EngineError) return { code: error.code, data: error.data };
  return { code: 'internal', data: { reason: error instanceof Error ? (error.stack ?? error.message) : String(error) } };
}

export function unpackFailure({ code, data }: Failure): EngineError {
  return new EngineError(code, data as never);
}
