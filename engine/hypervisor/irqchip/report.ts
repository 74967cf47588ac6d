/** What the interrupt controllers' registers mean, for people. Under the machine lock; changes nothing. */
import { PINS } from './ioapic.ts';
import type { Irqchip } from './irqchip.ts';
import type { Lapic } from './lapic.ts';
import { LVT_MASKED, REG } from './lapic-state.ts';

const DELIVERY = ['fixed', 'lowest', 'SMI', 'reserved', 'NMI', 'INIT', 'start-up', 'ExtINT'] as const;
const TIMER_MODES = ['one-shot', 'periodic', 'TSC deadline', 'reserved'] as const;
const LOCAL = [
  ['timer', REG.lvtTimer],
  ['thermal', REG.lvtThermal],
  ['performance', REG.lvtCounter],
  ['LINT0', REG.lvt0],
  ['LINT1', REG.lvt1],
  ['error', REG.lvtError],
] as const;
const ENABLED = 0x100;
const PENDING = 1 << 12;
const LEVEL = 1 << 15;
const ACTIVE_LOW = 1 << 13;
const PIT_HZ = 1_193_182;

const modeOf = (entry: number): string => DELIVERY[(entry >>> 8) & 7] as string;

/** Vectors whose bits are set in 256 bits, highest first. */
function vectors(lapic: Lapic, register: number): number[] {
  const found: number[] = [];
  for (let vector = 255; vector >= 0; vector--) {
    if (((lapic.reg(register + (vector >>> 5) * 16) >>> (vector & 31)) & 1) !== 0) found.push(vector);
  }
  return found;
}

function lapicReport(lapic: Lapic) {
  const local = LOCAL.map(([name, register]) => {
    const entry = lapic.reg(register);
    return {
      name,
      vector: entry & 0xff,
      mode: register === REG.lvtTimer ? (TIMER_MODES[(entry >>> 17) & 3] as string) : modeOf(entry),
      masked: (entry & LVT_MASKED) !== 0,
      pending: (entry & PENDING) !== 0,
      level: (entry & LEVEL) !== 0,
    };
  });
  const divide = lapic.reg(REG.divide);
  const shift = (((divide >>> 1) & 4) | (divide & 3)) + 1;
  return {
    vcpu: lapic.id,
    id: lapic.x2apic ? lapic.id : lapic.reg(REG.id) >>> 24,
    mode: !lapic.enabled ? ('off' as const) : lapic.x2apic ? ('x2apic' as const) : ('xapic' as const),
    enabled: lapic.enabled && (lapic.reg(REG.svr) & ENABLED) !== 0,
    tpr: lapic.reg(REG.tpr) & 0xff,
    ppr: lapic.reg(REG.ppr) & 0xff,
    irr: vectors(lapic, REG.irr),
    isr: vectors(lapic, REG.isr),
    tmr: vectors(lapic, REG.tmr),
    local,
    timer: {
      initial: lapic.reg(REG.initialCount),
      current: lapic.timer.currentCount,
      divide: shift === 8 ? 1 : 2 ** shift,
      mode: local[0]?.mode ?? '',
    },
  };
}

const lines = (bits: number): number[] => [0, 1, 2, 3, 4, 5, 6, 7].filter((line) => ((bits >>> line) & 1) !== 0);

export function interruptReport({ lapics, ioapic, pic, pit }: Irqchip) {
  const { state } = ioapic;
  return {
    lapics: lapics.all.map(lapicReport),
    ioapic: {
      id: state.id,
      pins: Array.from({ length: PINS }, (_, pin) => {
        const entry = state.low[pin] as number;
        return {
          pin,
          vector: entry & 0xff,
          mode: modeOf(entry),
          destination: state.destination[pin] as number,
          logical: (entry & 0x800) !== 0,
          level: (entry & LEVEL) !== 0,
          activeLow: (entry & ACTIVE_LOW) !== 0,
          masked: (entry & LVT_MASKED) !== 0,
          /** Remote IRR: a level-triggered interrupt is not ended yet. */
          pending: (entry & (1 << 14)) !== 0,
          active: ((state.lines >>> pin) & 1) !== 0,
        };
      }),
    },
    pics: (['master', 'slave'] as const).map((name, chip) => {
      const { irqBase, irr, isr, imr, elcr } = pic.state;
      return {
        name,
        base: irqBase[chip] as number,
        irr: lines(irr[chip] as number),
        isr: lines(isr[chip] as number),
        masked: lines(imr[chip] as number),
        level: lines(elcr[chip] as number),
      };
    }),
    pit: [0, 1, 2].map((channel) => {
      const { mode, count, running } = pit.state;
      const reload = count[channel] as number;
      const counts = (running[channel] as number) !== 0 && (mode[channel] as number) >= 2 && (mode[channel] as number) <= 3;
      return {
        channel,
        mode: mode[channel] as number,
        reload: reload % 65536,
        hertz: counts ? PIT_HZ / (reload || 65536) : 0,
        output: pit.output(channel as 0 | 1 | 2),
      };
    }),
  };
}

export type InterruptReport = ReturnType<typeof interruptReport>;
