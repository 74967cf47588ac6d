/**
 * The i440FX PC: which devices there are, where they stand and how they are wired. Built in the same order by every thread of a machine;
 * whatever can change is state in the machine's memory.
 */
import { EngineError } from '../base/index.ts';
import { debugcon } from '../devices/debugcon/device.ts';
import type { Device } from '../devices/device.ts';
import { fpuError } from '../devices/fpu-error/device.ts';
import { FPU_IRQ } from '../devices/fpu-error/spec.ts';
import { type FwCfgItems, fwCfgItems } from '../devices/fw-cfg/content.ts';
import { fwCfg } from '../devices/fw-cfg/device.ts';
import { i440fx, shadowSegments } from '../devices/i440fx/device.ts';
import { i8042, type KeyReader } from '../devices/i8042/device.ts';
import { keyNumber } from '../devices/i8042/keys.ts';
import { i8237 } from '../devices/i8237/device.ts';
import { isaDebugExit } from '../devices/isa-debug-exit/device.ts';
import { mc146818 } from '../devices/mc146818/device.ts';
import { parallel } from '../devices/parallel/device.ts';
import { pcTestdev } from '../devices/pc-testdev/device.ts';
import { PciBus } from '../devices/pci/bus.ts';
import { pciTestdev } from '../devices/pci-testdev/device.ts';
import { pflash } from '../devices/pflash/device.ts';
import { WINDOW as FLASH_WINDOW } from '../devices/pflash/spec.ts';
import { piix3 } from '../devices/piix3/device.ts';
import { piix4Pm } from '../devices/piix4-pm/device.ts';
import type { ByteLine } from '../devices/ports.ts';
import type { Screen } from '../devices/screen.ts';
import type { Calendar, MachineSignals } from '../devices/signals.ts';
import { uart16550 } from '../devices/uart16550/device.ts';
import { type CallerRegisters, vmmouse } from '../devices/vmmouse/device.ts';
import { PORT as BACKDOOR } from '../devices/vmmouse/spec.ts';
import type { BiosDrive } from '../firmware/bios/disk.ts';
import { type BootFiles, bootDirectly } from '../firmware/boot.ts';
import { firmwareFiles, placesInOrder } from '../firmware/fw-cfg/files.ts';
import { checkFirmware, checkVariables } from '../firmware/image.ts';
import { firmwareMsrs } from '../firmware/mtrr.ts';
import { i440fxPlatform, type Platform } from '../firmware/platform.ts';
import type { InitialRegisters } from '../firmware/registers.ts';
import type { Irqchip } from '../hypervisor/index.ts';
import type { MachineMemory } from '../memory/index.ts';
import type { InspectedMember, SavedState } from '../state/index.ts';
import { attachDisplay, type Display } from './display.ts';
import { attachBiosDrives } from './drives/bios.ts';
import { DirectDrives, type DirectParts } from './drives/direct.ts';
import { createDriveBay, type DriveBay, type DriveSpec, VARIABLES_DRIVE } from './drives/queue.ts';
import { attachEventTimers, HPET, sharedClockLine } from './event-timers.ts';
import { attachFirmware } from './firmware.ts';
import { addShadowWindow, mapRam, mapShadow } from './guest-memory.ts';
import type { BoardKeyboard } from './keyboard.ts';
import { type PciReport, pciReport } from './pci-report.ts';
import { fillCmos, initializeHardware } from './power-on.ts';
import { createRom, type RomPlace } from './rom.ts';
import { attachStorage } from './storage.ts';
import { startTextMode } from './text-mode.ts';

/** Where serial ports stand on every PC. */
const SERIAL = [
  { port: 0x3f8, irq: 4 },
  { port: 0x2f8, irq: 3 },
  { port: 0x3e8, irq: 4 },
  { port: 0x2e8, irq: 3 },
] as const;
const RTC_IRQ = 8;
const KEYBOARD_IRQ = 1;
const MOUSE_IRQ = 12;
const SCI = 9;
const PRINTER_IRQ = 7;
const ISA_LINES = 16;
const BOOT_ORDER = ['disk', 'floppy', 'cdrom'] as const;

export interface BoardConfig {
  /**
   * Tell guests of the HPET. Without it Linux needs no timer but the local APIC's; with it, it tries the HPET's interrupts in 160 ms of
   * machine time, and on a host with many times more work than processors stops when too few came.
   */
  readonly hpet?: boolean;
  readonly cpus: number;
  /** isa-debug-exit at F4h, pc-testdev and pci-testdev: for test guests. */
  readonly testDevices?: boolean;
  /** 16 bytes. */
  readonly uuid?: Uint8Array;
  /** The display adapter; `none` when absent. */
  readonly vga?: 'std' | 'none';
  /** By place: 0 to 3 at the IDE channels, 4 and 5 at the floppy controller. */
  readonly drives?: readonly (DriveSpec | undefined)[];
  /** Kinds of drives in the order in which the BIOS tries them. */
  readonly bootOrder?: readonly BiosDrive['kind'][];
  /** How long the BIOS waits for F12. */
  readonly bootMenuMilliseconds?: number;
  /** Expansion ROM of the display adapter, for firmware that is not ours; absent: none. */
  readonly displayRom?: Uint8Array;
  /** Expansion ROM of pci-testdev. */
  readonly testRom?: Uint8Array;
}

/** What the board is connected to. */
export interface BoardPorts {
  /** COM1 to COM4; as many serial ports as there are entries, 1 to 4. */
  readonly serial: readonly ByteLine[];
  /** The printer port; absent: bytes go nowhere. */
  readonly parallel?: ByteLine;
  /** Port E9h; absent: bytes go nowhere. */
  readonly debugConsole?: ByteLine;
  readonly signals: MachineSignals;
  readonly calendar: Calendar;
  /** What the speaker plays from now on, in hertz, 0 for silence; absent: nobody hears it. */
  readonly speaker?: (hertz: number) => void;
  /** Drives as the BIOS sees them, those of a kind in the order of their numbers; absent: the bay's. */
  readonly drives?: readonly BiosDrive[];
  /** For a thread that may carry out requests of drives itself; absent: the I/O thread does. */
  readonly directDrives?: DirectParts;
  /** For calls that are port accesses with arguments in registers; absent: nobody calls. */
  readonly callerRegisters?: CallerRegisters;
  /** Told when the guest has read the keys it was sent; absent: nobody. */
  readonly keyReader?: KeyReader;
}

export interface BoardParts {
  readonly memory: MachineMemory;
  readonly irqchip: Irqchip;
  readonly config: BoardConfig;
  readonly ports: BoardPorts;
}

/** How the first processor starts after a direct boot. */
export interface BootState {
  readonly registers: InitialRegisters;
}

/** A file that firmware keeps its variables in. */
export interface VariablesFile {
  readonly name: string;
  read(): Uint8Array;
}

/** Saved devices by name. */
export type SavedBoard = Readonly<Record<string, SavedState>>;

/** One thread's view of the board. Everything here runs under the machine lock. */
export interface Board {
  readonly platform: Platform;
  readonly bay: DriveBay;
  /** MSRs as firmware leaves them on every processor. */
  readonly processorMsrs: readonly (readonly [index: number, value: bigint])[];
  /** Whether the guest holds the tray of a CD drive; it is then asked to let go. */
  askForTray(drive: number): 'free' | 'locked';
  /**
   * Put firmware into the machine for the next `reset`; no bytes for a machine that boots a kernel directly. `variables` are asked for once.
   * Throws `boot-file`.
   */
  loadFirmware(name: string, bytes: Uint8Array, variables?: VariablesFile): void;
  /** Power-on of memory map and devices. vCPUs are stopped; the interrupt controllers are reset before. */
  reset(): void;
  /** After `reset`, for firmware that is loaded: what it finds in CMOS. */
  startFirmware(): void;
  /**
   * After `reset`: bring the hardware into the state firmware leaves and load a kernel; `bios` is the built-in
   * one, for its font. Throws what `bootDirectly` throws.
   */
  boot(files: BootFiles, bios?: Uint8Array): BootState;
  pressPowerButton(): void;
  /** A screen for this thread, which belongs to one thread of the machine at a time; undefined without a display adapter. */
  createScreen(): Screen | undefined;
  pressSleepButton(): void;
  readonly keyboard: BoardKeyboard;
  save(): SavedBoard;
  /** Hostile input: refused with an `EngineError`, with nothing changed. */
  restore(saved: SavedBoard): void;
  /** The functions on the PCI bus. */
  pci(): PciReport;
  inspect(): readonly { readonly name: string; readonly type: string; readonly members: readonly InspectedMember[] }[];
}

interface Attached {
  readonly bay: DriveBay;
  askForTray: Board['askForTray'];
  readonly devices: readonly Pick<Device, 'name' | 'type' | 'reset' | 'save' | 'restore' | 'inspect'>[];
  readonly display: Display | undefined;
  readonly bus: PciBus;
  pressPowerButton(): void;
  pressSleepButton(): void;
  readonly keyboard: BoardKeyboard;
}

/** Attach every device in the fixed order. */
function attachDevices({ memory, irqchip, config, ports }: BoardParts, platform: Platform, rom: RomPlace): Attached {
  const { signals, calendar } = ports;
  const line = (irq: number) => irqchip.line(irq);
  /** One input of every ISA line, for a device that chooses among them. */
  const allLines = () => {
    const lines = Array.from({ length: ISA_LINES }, (_, irq) => line(irq));
    return { set: (irq: number, active: boolean) => lines[irq]?.set(active) };
  };
  const bus = new PciBus();
  const isaBridge = piix3.attach(memory, { name: 'piix3', irqs: {}, needs: { lines: allLines(), signals } });
  const hostBridge = i440fx.attach(memory, {
    name: 'i440fx',
    at: { address: 0xcf8, data: 0xcfc },
    irqs: {},
    needs: { bus, shadow: { apply: (segments) => mapShadow(memory, segments, rom) }, resetControl: isaBridge.api.resetControl },
  });
  addShadowWindow(memory, () => shadowSegments(hostBridge.state.config.slice(0x59, 0x60)));
  const power = piix4Pm.attach(memory, { name: 'piix4-pm', at: { apm: 0xb2 }, irqs: { sci: line(SCI) }, needs: { signals } });
  bus.plug(0, 0, hostBridge.api.config);
  bus.plug(1, 0, isaBridge.api.config);
  bus.plug(1, 3, power.api.config);
  const direct = ports.directDrives && new DirectDrives(memory, ports.directDrives);
  if (direct) memory.lock.released = () => direct.serve();
  const bay = createDriveBay(memory, config.drives ?? [], direct);
  const dma = i8237.attach(memory, { name: 'i8237', at: { low: 0x00, high: 0xc0, pages: 0x80 }, irqs: {} });
  const storage = attachStorage({ memory, irqchip, bus, bay, isaDma: dma.api.channel });

  const clockLine = sharedClockLine(line(RTC_IRQ));
  const clock = mc146818.attach(memory, {
    name: 'rtc',
    at: { index: 0x70, data: 0x71, upperIndex: 0x72, upperData: 0x73 },
    irqs: { intr: clockLine.line },
    needs: { calendar },
  });
  const keyboard = i8042.attach(memory, {
    name: 'i8042',
    at: { data: 0x60, control: 0x64, port92: 0x92 },
    irqs: { keyboard: line(KEYBOARD_IRQ), mouse: line(MOUSE_IRQ) },
    needs: { a20: { set: (open) => memory.slots.setA20(open) }, signals, ...(ports.keyReader && { reader: ports.keyReader }) },
  });
  const pointer = vmmouse.attach(memory, {
    name: 'vmmouse',
    at: { backdoor: BACKDOOR },
    irqs: {},
    needs: { bell: () => keyboard.api.nudgeMouse(), ...(ports.callerRegisters && { registers: ports.callerRegisters }) },
  });
  const eventTimers = attachEventTimers(memory, irqchip, clockLine);
  const fpu = fpuError.attach(memory, { name: 'fpu-error', at: { regs: 0xf0 }, irqs: { intr: line(FPU_IRQ) } });
  irqchip.ferr = () => fpu.api.error();
  irqchip.speaker = (hertz) => ports.speaker?.(hertz);
  const serial = SERIAL.slice(0, ports.serial.length).map(({ port, irq }, i) => {
    const end = ports.serial[i];
    return uart16550.attach(memory, {
      name: `com${i + 1}`,
      at: { regs: port },
      irqs: { intr: line(irq) },
      needs: end ? { line: end } : {},
    });
  });
  const printer = parallel.attach(memory, {
    name: 'lpt1',
    at: { regs: 0x378 },
    irqs: { intr: line(PRINTER_IRQ) },
    needs: ports.parallel ? { line: ports.parallel } : {},
  });
  const bays = attachBiosDrives(memory, bay, storage.trays);
  const drives = ports.drives ?? bays.drives;
  const boot = { order: config.bootOrder ?? BOOT_ORDER, menuMilliseconds: config.bootMenuMilliseconds ?? 0 };
  let items: FwCfgItems | undefined;
  const makeItems = () =>
    fwCfgItems({
      cpus: config.cpus,
      ramBytes: memory.map.ramBytes,
      bootMenu: boot.menuMilliseconds > 0,
      noScreen: config.vga !== 'std',
      files: firmwareFiles({ platform, bootPlaces: placesInOrder(drives, boot.order), menuMilliseconds: boot.menuMilliseconds }),
      ...(config.uuid && { uuid: config.uuid }),
    });
  // Only firmware of others asks, and the tables take long.
  const content: FwCfgItems = {
    get: (key) => {
      items ??= makeItems();
      return items.get(key);
    },
  };
  const facts = fwCfg.attach(memory, { name: 'fw-cfg', at: { regs: 0x510 }, irqs: {}, needs: { content } });
  const console = debugcon.attach(memory, {
    name: 'debugcon',
    at: { data: 0xe9 },
    irqs: {},
    needs: ports.debugConsole ? { line: ports.debugConsole } : {},
  });
  const flash = pflash.attach(memory, {
    name: 'pflash',
    at: { window: 2 ** 32 - FLASH_WINDOW },
    irqs: {},
    needs: { cells: rom.variables, lines: [bay.drives[VARIABLES_DRIVE]?.line()] },
  });
  const traps = attachFirmware({ memory, irqchip, platform, rom, drives, boot });

  const display = config.vga === 'std' ? attachDisplay(memory, bus, config.displayRom) : undefined;
  const testDevices = () => {
    const exit = isaDebugExit.attach(memory, { name: 'debug-exit', at: { code: 0xf4 }, irqs: {}, needs: { signals } });
    const tests = pcTestdev.attach(memory, {
      name: 'pc-testdev',
      at: { data: 0xe0, flush: 0xe4, irq: 0x2000, window: 0xff00_0000 },
      irqs: {},
      needs: { lines: allLines() },
    });
    const pciTests = pciTestdev.attach(memory, {
      name: 'pci-testdev',
      irqs: {},
      needs: config.testRom ? { rom: { bytes: config.testRom } } : {},
    });
    bus.plug(4, 0, pciTests.api.config);
    return [exit, tests, pciTests];
  };
  return {
    devices: [
      isaBridge,
      hostBridge,
      power,
      dma,
      ...storage.devices,
      ...bays.devices,
      clock,
      keyboard,
      pointer,
      eventTimers,
      fpu,
      ...serial,
      printer,
      facts,
      console,
      ...(display ? [display.device] : []),
      traps,
      flash,
      ...(config.testDevices ? testDevices() : []),
    ],
    display,
    bus,
    bay,
    askForTray: storage.askForTray,
    pressPowerButton: () => power.api.pressPowerButton(),
    pressSleepButton: () => power.api.pressSleepButton(),
    keyboard: {
      key: (name, down) => {
        const number = keyNumber(name);
        return number !== undefined && keyboard.api.key(number, down);
      },
      keysRead: () => keyboard.api.keysRead(),
      move: (move) => keyboard.api.move(move),
      takesPositions: () => pointer.api.wanted(),
      point: (at) => pointer.api.point(at),
    },
  };
}

/** Build this thread's view of the board. State is not touched until `reset` or `restore`. */
export function createBoard(parts: BoardParts): Board {
  const { memory, irqchip, config, ports } = parts;
  const serial = SERIAL.slice(0, ports.serial.length);
  const platform = i440fxPlatform({
    cpus: config.cpus,
    ramBytes: memory.map.ramBytes,
    serial,
    display: config.vga === 'std',
    ...(config.hpet && { hpet: HPET }),
    ...(config.uuid && { uuid: config.uuid }),
  });
  const rom = createRom(memory);
  const { devices, display, bus, bay, askForTray, ...controls } = attachDevices(parts, platform, rom);
  const { pressPowerButton, pressSleepButton, keyboard } = controls;
  const kept = [rom, ...devices];
  const save = (): SavedBoard => {
    memory.bus.settle();
    return Object.fromEntries(kept.map((part) => [part.name, part.save()]));
  };
  /** The ROM first: what devices show of it follows. */
  const restoreAll = (saved: SavedBoard) => {
    rom.restore(saved[rom.name] ?? []);
    mapRam(memory);
    rom.map();
    for (const device of devices) device.restore(saved[device.name] ?? []);
  };
  return {
    platform,
    bay,
    processorMsrs: firmwareMsrs(),
    askForTray,
    loadFirmware: (name, bytes, variables) => {
      if (bytes.length > 0) checkFirmware(name, bytes);
      const checked = (file: VariablesFile) => () => {
        const content = file.read();
        checkVariables(file.name, content, bytes.length);
        return content;
      };
      rom.load(bytes, variables && checked(variables));
    },
    reset: () => {
      memory.bus.settle(); // what waits belongs to what was before
      mapRam(memory);
      rom.map();
      for (const device of devices) device.reset();
    },
    startFirmware: () => fillCmos(memory, platform),
    boot: (files, bios = new Uint8Array(0)) => {
      initializeHardware(memory, irqchip, platform);
      if (platform.display) startTextMode(memory, bios);
      const registers = bootDirectly(files, { platform, memory: { write: (gpa, bytes) => memory.dma.write(gpa, bytes) } });
      return { registers };
    },
    pressPowerButton,
    pressSleepButton,
    createScreen: () => display?.createScreen(),
    keyboard,
    save,
    restore: (saved) => {
      const known = new Set(kept.map(({ name }) => name));
      for (const name of Object.keys(saved)) {
        if (!known.has(name)) throw new EngineError('state-unknown', { part: 'board', id: name });
      }
      const before = save();
      try {
        restoreAll(saved);
      } catch (error) {
        restoreAll(before);
        throw error;
      }
    },
    pci: () => pciReport(bus),
    inspect: () => devices.map((device) => ({ name: device.name, type: device.type, members: device.inspect() })),
  };
}
