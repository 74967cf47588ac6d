/**
 * What firmware does to the hardware before it starts a system, done through the same ports. A machine without firmware ROM that boots
 * directly finds its hardware as after a BIOS: routes, base addresses, memory sizes, interrupt controllers and timer.
 */
import type { Platform } from '../firmware/platform.ts';
import { highRam, lowRam } from '../firmware/platform.ts';
import type { Irqchip } from '../hypervisor/index.ts';
import type { AccessSize, MachineMemory } from '../memory/index.ts';

/** ISA interrupts that PIRQA to PIRQD are routed to. */
const ROUTES = [10, 10, 11, 11] as const;
const SCI = 9;
const NOBODY = 0xffff_ffff;
/** Expansion ROM base address. */
const ROM_BASE = 0x30;
const DEVICE = -1;

interface Bus {
  out(port: number, value: number, size?: AccessSize): void;
  in(port: number, size?: AccessSize): number;
  readConfig(devfn: number, at: number, size?: AccessSize): number;
  writeConfig(devfn: number, at: number, value: number, size?: AccessSize): void;
}

function busOf({ bus }: MachineMemory): Bus {
  const out = (port: number, value: number, size: AccessSize = 1) => bus.portWrite(DEVICE, port, size, value);
  const input = (port: number, size: AccessSize = 1) => bus.portRead(DEVICE, port, size);
  const select = (devfn: number, at: number) => out(0xcf8, 0x8000_0000 + devfn * 0x100 + (at & 0xfc), 4);
  return {
    out,
    in: input,
    readConfig: (devfn, at, size = 4) => {
      select(devfn, at);
      return input(0xcfc + (at & 3), size);
    },
    writeConfig: (devfn, at, value, size = 4) => {
      select(devfn, at);
      out(0xcfc + (at & 3), value, size);
    },
  };
}

const ISA_BRIDGE = 1 * 8;
const POWER = 1 * 8 + 3;

/** RAM in all segments below 1 MiB. */
function shadowRam({ writeConfig }: Bus): void {
  writeConfig(0, 0x59, 0x30, 1);
  for (let at = 0x5a; at <= 0x5f; at++) writeConfig(0, at, 0x33, 1);
}

/** Routes of the PCI interrupts, and the lines they use level-triggered. */
function routeInterrupts({ out, writeConfig }: Bus): void {
  for (const [pirq, irq] of ROUTES.entries()) writeConfig(ISA_BRIDGE, 0x60 + pirq, irq, 1);
  const levels = ROUTES.reduce((mask, irq) => mask | (1 << irq), 1 << SCI);
  out(0x4d0, levels & 0xff);
  out(0x4d1, levels >>> 8);
}

interface Windows {
  io: number;
  memory: number;
}

/** Size a function's base addresses, place them upwards in the windows and let it decode them. */
function placeFunction(bus: Bus, devfn: number, windows: Windows): void {
  let command = 0;
  for (let at = 0x10; at <= 0x24; at += 4) {
    bus.writeConfig(devfn, at, 0xffff_ffff);
    const probed = bus.readConfig(devfn, at);
    if (probed === 0) continue;
    const io = (probed & 1) !== 0;
    const size = (~(io ? (probed & ~3) | 0xffff_0000 : probed & ~15) >>> 0) + 1;
    const kind = io ? 'io' : 'memory';
    const address = Math.ceil(windows[kind] / size) * size;
    windows[kind] = address + size;
    bus.writeConfig(devfn, at, address);
    command |= io ? 1 : 2;
  }
  placeRom(bus, devfn, windows);
  const pin = bus.readConfig(devfn, 0x3d, 1);
  if (pin !== 0) {
    const irq = devfn === POWER ? SCI : ROUTES[((devfn >>> 3) + 3 + pin - 1) & 3];
    bus.writeConfig(devfn, 0x3c, irq ?? SCI, 1);
  }
  if (command !== 0) bus.writeConfig(devfn, 0x04, bus.readConfig(devfn, 0x04, 2) | command, 2);
}

/** Room for an expansion ROM; it is not decoded until somebody wants to read it. */
function placeRom(bus: Bus, devfn: number, windows: Windows): void {
  bus.writeConfig(devfn, ROM_BASE, 0xffff_f800);
  const probed = bus.readConfig(devfn, ROM_BASE);
  if (probed === 0) return;
  const size = (~(probed & ~0x7ff) >>> 0) + 1;
  const address = Math.ceil(windows.memory / size) * size;
  windows.memory = address + size;
  bus.writeConfig(devfn, ROM_BASE, address);
}

/** Every function of bus 0. Functions above 0 exist only where the header of function 0 says so. */
function placeFunctions(bus: Bus, platform: Platform): void {
  const windows: Windows = { io: 0xc000, memory: platform.pciWindow.start };
  for (let slot = 0; slot < 32; slot++) {
    if (bus.readConfig(slot * 8, 0) === NOBODY) continue;
    const many = (bus.readConfig(slot * 8, 0x0e, 1) & 0x80) !== 0;
    for (let fn = 0; fn < (many ? 8 : 1); fn++) {
      if (bus.readConfig(slot * 8 + fn, 0) !== NOBODY) placeFunction(bus, slot * 8 + fn, windows);
    }
  }
}

/** The PM block where the FADT says, in ACPI mode: without SMM there is no other. */
function startPowerManagement({ out, writeConfig }: Bus, { pmBase }: Platform): void {
  writeConfig(POWER, 0x40, pmBase | 1);
  writeConfig(POWER, 0x80, 1, 1);
  writeConfig(POWER, 0x04, 1, 2);
  out(pmBase + 4, 1, 2);
}

/** Both 8259 at the vectors of a PC with timer, keyboard and cascade unmasked; the timer at 18.2 Hz; keyboard controller translating. */
function startController({ in: input, out }: Bus): void {
  for (const [port, vector, cascade, mask] of [
    [0x20, 0x08, 0x04, 0xf8],
    [0xa0, 0x70, 0x02, 0xff],
  ] as const) {
    out(port, 0x11);
    out(port + 1, vector);
    out(port + 1, cascade);
    out(port + 1, 0x01);
    out(port + 1, mask);
  }
  out(0x43, 0x34);
  out(0x40, 0);
  out(0x40, 0);
  out(0x43, 0x54); // memory refresh
  out(0x41, 18);
  out(0x64, 0xaa);
  input(0x60);
  out(0x64, 0x60);
  out(0x60, 0x65); // translated, keyboard interrupt, mouse off
}

/** Memory sizes and the like in CMOS, at the places PC software knows. */
export function fillCmos(memory: MachineMemory, platform: Platform): void {
  const { out } = busOf(memory);
  const kibibytes = (lowRam(platform) - 0x100000) / 1024;
  const extended = Math.min(kibibytes, 0xfc00);
  const above16 = Math.max(0, Math.floor((lowRam(platform) - 0x100_0000) / 0x10000));
  const above4G = Math.floor(highRam(platform) / 0x10000);
  const bytes: readonly (readonly [number, number])[] = [
    [0x0f, 0], // shutdown status: cold start
    [0x14, 0x06], // equipment: coprocessor, mouse; a VGA or no screen, no diskette
    [0x15, 640 & 0xff],
    [0x16, 640 >>> 8],
    [0x17, extended & 0xff],
    [0x18, extended >>> 8],
    [0x30, extended & 0xff],
    [0x31, extended >>> 8],
    [0x34, above16 & 0xff],
    [0x35, above16 >>> 8],
    [0x5b, above4G & 0xff],
    [0x5c, (above4G >>> 8) & 0xff],
    [0x5d, above4G >>> 16],
    [0x5f, platform.cpus - 1],
  ];
  for (const [index, value] of bytes) {
    out(0x70, index);
    out(0x71, value & 0xff);
  }
}

/** Virtual wire mode on the first processor (MP 1.4, 3.6.2.2): the 8259 pair at LINT0, NMI at LINT1. */
function connectFirstApic({ lapics }: Irqchip, base: number): void {
  const write = (at: number, value: number) => lapics.mmioWrite(0, base + at, 4, value);
  write(0xf0, 0x1ff);
  write(0x350, 0x8700);
  write(0x360, 0x8400);
}

/** Bring freshly reset hardware into the state a BIOS leaves. */
export function initializeHardware(memory: MachineMemory, irqchip: Irqchip, platform: Platform): void {
  const bus = busOf(memory);
  shadowRam(bus);
  startPowerManagement(bus, platform);
  placeFunctions(bus, platform);
  routeInterrupts(bus);
  startController(bus);
  fillCmos(memory, platform);
  connectFirstApic(irqchip, platform.localApicAddress);
}
