/**
 * High-precision event timers: a main counter of 64 bits at 100 MHz and three comparators. Spec: IA-PC HPET specification 1.0a. The
 * counter is computed from the machine clock when it is read. Periodic interrupts that came due while a busy host ran nobody follow one by
 * one, as kernels count them when they try their timer; more than a few are dropped.
 *
 * Threats: the guest controls every register; a period of nothing never fires, and a timer fires every 20 us at most.
 * Nothing comes from outside.
 * Restored registers are cut to their bits when used; a wrong deadline only moves one interrupt.
 */
import { array, bool, u32, u64 } from '../../state/index.ts';
import { defineDevice } from '../device.ts';
import { definePort } from '../ports.ts';
import { isaLines } from '../signals.ts';
import {
  CAPABILITIES_LOW,
  Configuration,
  LEGACY_LINES,
  Reg,
  ROUTES,
  SIZE,
  TICK_FEMTOSECONDS,
  TICK_NS,
  TIMER_STRIDE,
  TIMERS,
  Timer,
  TimerReg,
} from './spec.ts';

/** Told when timers 0 and 1 take the places of the interval timer and the real-time clock, or leave them. */
export interface LegacyReplacement {
  replaced(active: boolean): void;
}
const legacyReplacement = definePort<LegacyReplacement>('legacy-replacement', () => ({ replaced: () => undefined }));

const WORD = 2n ** 64n;
const LOW = 0xffff_ffffn;
const NEVER = 2n ** 64n - 1n;
const SHORTEST_NS = 20_000n;
/** Periods that are made up for; of more none is. */
const MOST_MISSED = 32n;
/** Longest wait that is armed, in ticks: a hundred days. */
const LONGEST = 10n ** 15n;

export const hpet = defineDevice({
  type: 'hpet',
  mmio: { registers: SIZE },
  timers: ['timer0', 'timer1', 'timer2'],
  needs: { lines: isaLines, legacy: legacyReplacement },
  state: {
    configuration: u32({ id: 1, mask: 3, doc: 'General configuration: enable, legacy replacement' }),
    status: u32({ id: 2, mask: 7, doc: 'Interrupt status of level-triggered timers' }),
    counter: u64({ id: 3, doc: 'Main counter while it stands still; what it counts from while it runs' }),
    startedAt: u64({ id: 4, doc: 'Tick of the machine clock at which it began to count from there' }),
    timerConfiguration: array('u32', TIMERS, { id: 5, doc: 'Configuration of each timer, the bits that can be written' }),
    comparator: array('u64', TIMERS, { id: 6, doc: 'Comparator of each timer' }),
    period: array('u64', TIMERS, { id: 7, doc: 'What a periodic timer adds to its comparator' }),
    due: array('u64', TIMERS, { id: 8, reset: NEVER, doc: 'Machine time in ns at which each timer fires; all ones: never' }),
    replaced: bool({ id: 9, doc: 'Timers 0 and 1 have the interrupts of interval timer and clock' }),
  },
  create({ state, timers, clock, lines, legacy }) {
    const all = [timers.timer0, timers.timer1, timers.timer2];
    const enabled = () => (state.configuration & Configuration.Enable) !== 0;
    const ticks = () => BigInt(Math.floor(Math.max(0, clock.now()) / TICK_NS));
    const counter = (): bigint =>
      enabled() ? (((state.counter + ticks() - state.startedAt) % WORD) + WORD) % WORD : state.counter;
    const config = (n: number): number => state.timerConfiguration[n] as number;
    const mask = (n: number): bigint => ((config(n) & Timer.Narrow) !== 0 ? LOW : WORD - 1n);

    /** The input that a timer drives, undefined when none. */
    const lineOf = (n: number): number | undefined => {
      if (state.replaced && n < LEGACY_LINES.length) return LEGACY_LINES[n];
      const route = (config(n) & Timer.Route) >>> 9;
      return (ROUTES >>> route) & 1 ? route : undefined;
    };
    /** Levels of every input a level-triggered timer holds; edges come and go by themselves. */
    const drive = () => {
      const held = new Set<number>();
      for (let n = 0; n < TIMERS; n++) {
        const line = lineOf(n);
        const level = (config(n) & (Timer.Level | Timer.Enable)) === (Timer.Level | Timer.Enable);
        if (line !== undefined && level && (state.status >>> n) & 1) held.add(line);
      }
      for (let line = 0; line < 24; line++) {
        if ((ROUTES >>> line) & 1 || LEGACY_LINES.includes(line as 0 | 8)) lines.set(line, held.has(line));
      }
    };

    /** When timer `n` meets its comparator next, counted from now. */
    const arm = (n: number) => {
      const timer = all[n];
      if (timer === undefined) return;
      const wait = ((state.comparator[n] as bigint) - counter()) & mask(n);
      const ahead = wait === 0n ? mask(n) + 1n : wait;
      if (!enabled() || ahead > LONGEST) state.due[n] = NEVER;
      else state.due[n] = (ticks() + ahead) * BigInt(TICK_NS);
      armed(n);
    };
    const armed = (n: number) => {
      const due = state.due[n] as bigint;
      if (due === NEVER) all[n]?.cancel();
      else all[n]?.at(Number(due));
    };
    const fire = (n: number) => {
      if (!enabled()) return arm(n);
      let missed = 0n;
      const bits = config(n);
      const period = (state.period[n] as bigint) & mask(n);
      if ((bits & Timer.Periodic) !== 0 && period > 0n) {
        const behind = (counter() - (state.comparator[n] as bigint)) & mask(n);
        // A counter that stands before the comparator has gone back: one period on is right then too.
        const late = behind < mask(n) / 2n ? behind / period : 0n;
        missed = late > MOST_MISSED ? 0n : late;
        state.comparator[n] = ((state.comparator[n] as bigint) + (late - missed + 1n) * period) & mask(n);
      }
      if ((bits & Timer.Level) !== 0) state.status |= 1 << n;
      const line = lineOf(n);
      if ((bits & Timer.Enable) !== 0 && (bits & Timer.Level) === 0 && line !== undefined) {
        lines.set(line, true);
        lines.set(line, false);
      }
      arm(n);
      // However short the period, there is time between two services; what was missed follows faster than the rest.
      const hurry = missed > 0n ? (period * BigInt(TICK_NS)) / 8n : 0n;
      const soonest = BigInt(Math.floor(clock.now())) + (hurry > SHORTEST_NS ? hurry : SHORTEST_NS);
      if (missed > 0n || (state.due[n] as bigint) < soonest) {
        state.due[n] = soonest;
        armed(n);
      }
      drive();
    };

    const writeConfiguration = (value: number) => {
      const was = enabled();
      const now = (value & Configuration.Enable) !== 0;
      if (was && !now) state.counter = counter();
      if (!was && now) state.startedAt = ticks();
      state.configuration = value & 3;
      const replaced = (value & Configuration.Legacy) !== 0;
      if (replaced !== state.replaced) {
        state.replaced = replaced;
        legacy.replaced(replaced);
      }
      for (let n = 0; n < TIMERS; n++) arm(n);
      drive();
    };
    const half = (value: bigint, high: boolean): number => Number(high ? value >> 32n : value & LOW);
    const withHalf = (value: bigint, high: boolean, word: number): bigint =>
      high ? (value & LOW) | (BigInt(word) << 32n) : (value & ~LOW) | BigInt(word);

    const writeComparator = (n: number, high: boolean, value: number) => {
      const bits = config(n);
      const periodic = (bits & Timer.Periodic) !== 0;
      if (!periodic || (bits & Timer.SetValue) !== 0) {
        state.comparator[n] = withHalf(state.comparator[n] as bigint, high, value) & mask(n);
      }
      if (periodic) state.period[n] = withHalf(state.period[n] as bigint, high, value) & mask(n);
      // One write of the comparator itself for each time the guest asks; a second half follows in 64-bit mode.
      if (high || (bits & Timer.Narrow) !== 0) state.timerConfiguration[n] = bits & ~Timer.SetValue;
      arm(n);
    };

    const readWord = (at: number): number => {
      const high = (at & 4) !== 0;
      switch (at & ~7) {
        case Reg.Capabilities:
          return high ? TICK_FEMTOSECONDS : CAPABILITIES_LOW >>> 0;
        case Reg.Configuration:
          return high ? 0 : state.configuration;
        case Reg.Status:
          return high ? 0 : state.status;
        case Reg.Counter:
          return half(counter(), high);
      }
      const n = Math.floor((at - Reg.Timer0) / TIMER_STRIDE);
      if (n < 0 || n >= TIMERS) return 0;
      switch ((at - Reg.Timer0 - n * TIMER_STRIDE) & ~7) {
        case TimerReg.Configuration:
          return high ? ROUTES : config(n) | Timer.CanBePeriodic | Timer.Wide;
        case TimerReg.Comparator:
          return half(state.comparator[n] as bigint, high);
        default:
          return 0;
      }
    };
    const writeWord = (at: number, value: number) => {
      const high = (at & 4) !== 0;
      switch (at & ~7) {
        case Reg.Configuration:
          if (!high) writeConfiguration(value);
          return;
        case Reg.Status:
          if (!high) state.status &= ~value & 7;
          drive();
          return;
        case Reg.Counter:
          // Written while it stands still only.
          if (!enabled()) state.counter = withHalf(state.counter, high, value);
          return;
      }
      const n = Math.floor((at - Reg.Timer0) / TIMER_STRIDE);
      if (n < 0 || n >= TIMERS) return;
      const register = (at - Reg.Timer0 - n * TIMER_STRIDE) & ~7;
      if (register === TimerReg.Comparator) writeComparator(n, high, value);
      else if (register === TimerReg.Configuration && !high) {
        state.timerConfiguration[n] = value & Timer.Written;
        if ((value & Timer.Level) === 0) state.status &= ~(1 << n);
        arm(n);
        drive();
      }
    };

    return {
      read: (at, size) => {
        const word = readWord(at & ~3);
        return size === 4 ? word : word >>> (8 * (at & 3));
      },
      // Other widths are not defined; they are ignored.
      write: (at, value, size) => {
        if (size === 4 && (at & 3) === 0) writeWord(at, value);
      },
      timers: { timer0: () => fire(0), timer1: () => fire(1), timer2: () => fire(2) },
      restored: () => {
        legacy.replaced(state.replaced);
        for (let n = 0; n < TIMERS; n++) armed(n);
        drive();
      },
      api: {
        /** Whether the interval timer and the real-time clock are cut off from their interrupts. */
        replaces: (): boolean => state.replaced,
      },
    };
  },
});
