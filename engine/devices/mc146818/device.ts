/**
 * Real-time clock and CMOS memory. Spec: Motorola MC146818A; Intel 82371SB section 2.5.2 for the ports.
 * Time is computed from the calendar whenever it is looked at; nothing ticks. Periodic interrupts that the guest was too late for are
 * dropped: one is pending at most.
 *
 * Threats: the guest controls every register; dates out of range carry over and cannot produce anything but another date.
 * The calendar may jump either way: a step back only moves what counts as seen. An alarm is found without counting seconds.
 * Restored bytes of CMOS mean something to the guest's firmware only.
 */
import { array, bytes, i64, u8 } from '../../state/index.ts';
import { defineDevice } from '../device.ts';
import { calendar } from '../signals.ts';
import { A, B, C, CRYSTAL_HZ, D_VALID, Index, UPDATE_MICROSECONDS } from './spec.ts';
import { fromRegisters, nextAlarm, TIME_REGISTERS, toRegisters } from './time.ts';

const SECOND = 1_000_000;
const ENABLES = B.Periodic | B.Alarm | B.UpdateEnded;

export const mc146818 = defineDevice({
  type: 'mc146818',
  ports: { index: 1, data: 1, upperIndex: 1, upperData: 1 },
  coalesced: ['index', 'upperIndex'],
  irqs: ['intr'],
  timers: ['event'],
  needs: { calendar },
  state: {
    index: u8({ id: 1, mask: 0x7f, doc: 'Index of the next access at 71h' }),
    upperIndex: u8({ id: 2, mask: 0x7f, doc: 'Index of the next access at 73h' }),
    a: u8({ id: 3, reset: 0x26, mask: A.Written, doc: 'Register A: divider and periodic rate' }),
    b: u8({ id: 4, reset: B.Hours24, doc: 'Register B: set, interrupt enables, format' }),
    flags: u8({ id: 5, mask: ENABLES, doc: 'Register C: interrupt flags' }),
    cmos: bytes(256, { id: 6, doc: 'CMOS memory, both banks; bytes of time are not kept here' }),
    offset: i64({ id: 7, range: [-(2n ** 62n), 2n ** 62n], doc: 'Seconds between the guest clock and the calendar' }),
    held: array('u8', 8, { id: 8, doc: 'Registers of time while the guest sets them (B bit 7)' }),
    seenSecond: i64({
      id: 9,
      range: [-(2n ** 53n), 2n ** 53n],
      doc: 'Guest second up to which update and alarm flags are accounted',
    }),
    seenTick: i64({ id: 10, reset: 0n, doc: 'Machine time in ns up to which periodic flags are accounted' }),
  },
  create({ state, irqs, timers, clock, calendar: civil }) {
    const setting = () => (state.b & B.Set) !== 0;
    const microseconds = () => civil.microseconds() + Number(state.offset) * SECOND;
    const second = () => Math.floor(microseconds() / SECOND);
    /** Dates stay in the range that every calendar has: years 1 to 9999. */
    const dateSecond = () => Math.min(Math.max(second(), -62_135_596_800), 253_402_300_799);

    /** Length of the periodic interval in ns, 0 when it is off (data sheet, table 5). */
    const period = (): number => {
      const rate = state.a & A.Rate;
      if (rate === 0 || (state.a & A.Divider) !== A.Running) return 0;
      return (2 ** (rate <= 2 ? rate + 6 : rate - 1) * 1e9) / CRYSTAL_HZ;
    };

    const alarmAfter = (from: number): number | undefined => {
      const [seconds = 0, minutes = 0, hours = 0] = [Index.SecondsAlarm, Index.MinutesAlarm, Index.HoursAlarm].map(
        (at) => state.cmos[at],
      );
      return nextAlarm(from, { seconds, minutes, hours }, state.b);
    };

    /** Forget what passed until now: after time was set, or at power-on. */
    const startCounting = () => {
      state.seenSecond = BigInt(dateSecond());
      state.seenTick = BigInt(Math.floor(clock.now()));
    };

    /** Set the flags of everything that happened since the last look. */
    const account = () => {
      const now = clock.now();
      const interval = period();
      const seen = Number(state.seenTick);
      if (interval > 0 && Math.floor(now / interval) > Math.floor(seen / interval)) state.flags |= C.Periodic;
      state.seenTick = BigInt(Math.floor(now));
      if (setting() || (state.a & A.Divider) !== A.Running) return;
      const last = Number(state.seenSecond);
      const current = dateSecond();
      if (current > last) {
        state.flags |= C.UpdateEnded;
        if ((alarmAfter(last) ?? Number.POSITIVE_INFINITY) <= current) state.flags |= C.Alarm;
      }
      state.seenSecond = BigInt(current);
    };

    /** Outputs and timer from the flags as they are. */
    const drive = () => {
      irqs.intr.set((state.flags & state.b & ENABLES) !== 0);
      // A flag that is set already raises nothing new, so there is nothing to wait for.
      const wanted = state.b & ENABLES & ~state.flags;
      const now = clock.now();
      let deadline = Number.POSITIVE_INFINITY;
      const interval = period();
      if (wanted & B.Periodic && interval > 0) deadline = (Math.floor(now / interval) + 1) * interval;
      if (wanted & (B.UpdateEnded | B.Alarm) && !setting()) {
        const from = dateSecond();
        const at = wanted & B.UpdateEnded ? from + 1 : alarmAfter(from);
        if (at !== undefined) deadline = Math.min(deadline, now + (at * SECOND - microseconds()) * 1000);
      }
      if (deadline === Number.POSITIVE_INFINITY) timers.event.cancel();
      else timers.event.at(Math.max(deadline, now));
    };

    const settle = () => {
      account();
      drive();
    };

    const readTime = (which: number): number =>
      setting() ? (state.held[which] ?? 0) : (toRegisters(dateSecond(), state.b)[which] ?? 0);
    const adopt = (registers: readonly number[]) => {
      const wanted = fromRegisters(registers, state.b);
      state.offset = BigInt(Math.floor(wanted - civil.microseconds() / SECOND));
      startCounting();
    };
    const writeTime = (which: number, value: number) => {
      if (setting()) {
        state.held[which] = value;
        return;
      }
      const registers = toRegisters(dateSecond(), state.b);
      registers[which] = value;
      adopt(registers);
    };

    const writeB = (value: number) => {
      const was = setting();
      const b = value & B.Set ? value & ~B.UpdateEnded : value; // SET clears the update-ended enable
      if (!was && b & B.Set) state.held.set(toRegisters(dateSecond(), state.b));
      state.b = b;
      if (was && !(b & B.Set)) adopt(Array.from(state.held));
    };
    const updating = (): boolean => {
      if (setting() || (state.a & A.Divider) !== A.Running) return false;
      const within = microseconds() - second() * SECOND;
      return within >= SECOND - UPDATE_MICROSECONDS;
    };

    const read = (index: number): number => {
      const time = TIME_REGISTERS.indexOf(index);
      if (time >= 0) return readTime(time);
      if (index === Index.A) return state.a | (updating() ? A.Updating : 0);
      if (index === Index.B) return state.b;
      if (index === Index.D) return D_VALID;
      if (index !== Index.C) return state.cmos[index] ?? 0xff;
      account();
      const flags = state.flags | (state.flags & state.b & ENABLES ? C.Any : 0);
      state.flags = 0;
      settle();
      return flags;
    };
    const write = (index: number, value: number) => {
      const time = TIME_REGISTERS.indexOf(index);
      if (index === Index.C || index === Index.D) return;
      account();
      if (time >= 0) writeTime(time, value);
      else if (index === Index.A) state.a = value & A.Written;
      else if (index === Index.B) writeB(value);
      else state.cmos[index] = value;
      settle();
    };

    const nothing = () => 0xff; // index registers are write-only
    return {
      regions: {
        index: {
          read: nothing,
          write: (_at, value) => {
            state.index = value & 0x7f; // bit 7 masks NMI, which nothing here raises
          },
        },
        data: { read: () => read(state.index), write: (_at, value) => write(state.index, value & 0xff) },
        upperIndex: {
          read: nothing,
          write: (_at, value) => {
            state.upperIndex = value & 0x7f;
          },
        },
        upperData: {
          read: () => state.cmos[0x80 + state.upperIndex] ?? 0xff,
          write: (_at, value) => {
            state.cmos[0x80 + state.upperIndex] = value & 0xff;
          },
        },
      },
      timers: { event: settle },
      reset: startCounting,
      restored: drive, // what happened meanwhile is accounted at the next look
    };
  },
});
