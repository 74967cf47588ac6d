/** The HPET of a PC, and how it takes the interrupts of interval timer and real-time clock when a guest asks for that. */
import type { Device, IrqLine } from '../devices/device.ts';
import { hpet } from '../devices/hpet/device.ts';
import { BASE, CAPABILITIES_LOW, LEGACY_LINES, ROUTES } from '../devices/hpet/spec.ts';
import type { Irqchip } from '../hypervisor/index.ts';
import type { MachineMemory } from '../memory/index.ts';

/** What the firmware's tables say of it. */
export const HPET = { address: BASE, id: CAPABILITIES_LOW >>> 0 } as const;

/** The real-time clock's line, which the HPET can cut. */
export interface SharedClockLine {
  readonly line: IrqLine;
  /** Set by whoever can cut it. */
  isCut: () => boolean;
  /** Let go of the line. */
  release(): void;
}

export function sharedClockLine(line: IrqLine): SharedClockLine {
  const shared: SharedClockLine = {
    line: { set: (active) => line.set(active && !shared.isCut()) },
    isCut: () => false,
    release: () => line.set(false),
  };
  return shared;
}

export function attachEventTimers(
  memory: MachineMemory,
  irqchip: Irqchip,
  clock: SharedClockLine,
): Pick<Device, 'name' | 'type' | 'reset' | 'save' | 'restore' | 'inspect'> {
  const inputs = new Map<number, IrqLine>(LEGACY_LINES.map((gsi) => [gsi, irqchip.line(gsi)]));
  for (let gsi = 0; gsi < 24; gsi++) if ((ROUTES >>> gsi) & 1) inputs.set(gsi, irqchip.line(gsi));
  const timers = hpet.attach(memory, {
    name: 'hpet',
    at: { registers: BASE },
    irqs: {},
    needs: {
      lines: { set: (gsi, active) => inputs.get(gsi)?.set(active) },
      legacy: {
        replaced: (active) => {
          if (!active) return;
          irqchip.releasePit();
          clock.release();
        },
      },
    },
  });
  irqchip.pitReplaced = () => timers.api.replaces();
  clock.isCut = () => timers.api.replaces();
  return timers;
}
