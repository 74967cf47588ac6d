/**
 * 8254 interval timer with the bits of port 61h that belong to it. Source: Intel 8254 data sheet (231164); NMI status and control as
 * Intel 82371SB. Counters are computed from the machine clock on read; only channel 0's output, IRQ 0, has a deadline.
 *
 * Threats: a guest may program one tick; the interrupt then fires at most every 200 us, and time may go backwards.
 */
import type { MachineMemory } from '../../memory/index.ts';
import { array, defineState, u8 } from '../../state/index.ts';
import { type Counter, counterAt, outputAt, risingAfter } from './pit-counter.ts';

const HZ = 1_193_182;
/** ns between toggles of the refresh bit: 15.085 us. */
const REFRESH = 15_085;
const SHORTEST_PERIOD = 200_000;
/** Bit 1 of port 61h: channel 2 reaches the speaker. */
const SPEAKER_DATA = 2;

const three = (id: number, doc: string, kvm: string, range: readonly [number, number], reset = 0) =>
  array('u32', 3, { id, doc, kvm: `kvm_pit_channel_state.${kvm}`, range, reset });

export const pitState = defineState('i8254', {
  count: three(1, 'Count loaded, 1 to 65536; 0: none since the control word', 'count', [0, 65536]),
  latch: three(2, 'Latched count', 'latched_count', [0, 0xffff]),
  latched: three(3, 'Bytes of the latch still to be read', 'count_latched', [0, 3]),
  status: three(4, 'Latched status', 'status', [0, 0xff]),
  statusLatched: three(5, 'A latched status waits to be read', 'status_latched', [0, 1]),
  readHigh: three(6, 'The next read of a two-byte count gives the high byte', 'read_state', [0, 1]),
  writeHigh: three(7, 'The next write of a two-byte count is the high byte', 'write_state', [0, 1]),
  writeLow: three(8, 'Low byte written', 'write_latch', [0, 0xff]),
  access: three(9, '1 low byte, 2 high byte, 3 low then high', 'rw_mode', [1, 3], 3),
  mode: three(10, 'Counting mode', 'mode', [0, 5]),
  bcd: three(11, 'Counts in decimal', 'bcd', [0, 1]),
  gate: three(12, 'Level of the gate', 'gate', [0, 1], 1),
  start: array('u64', 3, {
    id: 13,
    range: [0n, 1n << 62n],
    doc: 'Machine time in ns when the count was loaded',
    kvm: 'kvm_pit_channel_state.count_load_time',
  }),
  next: three(14, 'Count that follows the running one in modes 2 and 3; 0: the same', 'count', [0, 65536]),
  held: three(15, 'Ticks counted when the gate went low in modes 0 and 4', 'count', [0, 65536]),
  running: three(16, 'Counting has begun: a count is complete, a trigger came where one is needed', 'count', [0, 1]),
  speaker: u8({
    id: 17,
    mask: 0x0e,
    doc: 'Port 61h bits 1 to 3: speaker data and the two error enables',
    kvm: 'kvm_pit_state2.flags',
  }),
});

type Channel = 0 | 1 | 2;

export interface Pit {
  readonly state: ReturnType<(typeof pitState)['bind']>;
  /** Level of a channel's output now. */
  output(channel: Channel): boolean;
  reset(): void;
  restored(): void;
}

/**
 * `irq0` is channel 0's output; `tone` hears what the speaker plays in hertz, 0 for silence, whenever that changes. Adds ports 40h and
 * 61h. Everything runs under the machine lock.
 */
export function createPit(machine: MachineMemory, irq0: (active: boolean) => void, tone: (hertz: number) => void): Pit {
  const s = pitState.bind(machine.memory, machine.arena.take('irqchip.pit', pitState.size, pitState.align));
  const { clock } = machine;
  const timer = machine.deadlines.timer((due) => fire(due));
  const get = (values: Uint32Array, channel: Channel) => values[channel] as number;

  const ticks = (channel: Channel) => Math.max(0, Math.floor(((clock.now() - Number(s.start[channel])) * HZ) / 1e9));
  const startAt = (channel: Channel, ns: number) => {
    s.start[channel] = BigInt(Math.max(0, Math.floor(ns)));
  };

  /** The channel as the arithmetic sees it; a count waiting for the end of the running cycle takes over here. */
  const counter = (channel: Channel): Counter => {
    const count = get(s.count, channel) || 65536;
    const counted = get(s.mode, channel) >= 2 && get(s.mode, channel) <= 3;
    if (counted && get(s.next, channel) !== 0 && get(s.running, channel) !== 0) {
      const cycles = Math.floor(ticks(channel) / count);
      if (cycles >= 1) {
        startAt(channel, Number(s.start[channel]) + Math.ceil((cycles * count * 1e9) / HZ));
        s.count[channel] = get(s.next, channel);
        s.next[channel] = 0;
      }
    }
    const stopped = get(s.gate, channel) === 0;
    const holds = stopped && (get(s.mode, channel) === 0 || get(s.mode, channel) === 4);
    return {
      mode: get(s.mode, channel),
      count: get(s.count, channel) || 65536,
      decimal: get(s.bcd, channel) !== 0,
      running: get(s.running, channel) !== 0,
      stopped,
      ticks: holds ? get(s.held, channel) : ticks(channel),
    };
  };

  /** Level of channel 0 and the deadline of its next rise. */
  const schedule = () => {
    const now = counter(0);
    irq0(outputAt(now));
    const rise = risingAfter(now);
    if (rise === undefined) timer.cancel();
    else timer.at(Math.ceil(Number(s.start[0]) + (rise * 1e9) / HZ));
  };

  const fire = (due: number) => {
    // Periods that a busy host missed are dropped; the guest's clock sources do not count interrupts.
    irq0(false);
    irq0(true);
    const now = counter(0);
    const rise = risingAfter(now);
    if (rise === undefined) return;
    timer.at(Math.max(Math.ceil(Number(s.start[0]) + (rise * 1e9) / HZ), due + SHORTEST_PERIOD));
  };

  const load = (channel: Channel, raw: number) => {
    const count = (get(s.bcd, channel) ? fromDecimal(raw) || 10_000 : raw) || 65536;
    const periodic = get(s.mode, channel) === 2 || get(s.mode, channel) === 3;
    if (periodic && get(s.count, channel) !== 0 && get(s.running, channel)) {
      // Settle the present cycle before the count that follows it is replaced.
      counter(channel);
      s.next[channel] = count;
    } else {
      s.count[channel] = count;
      s.next[channel] = 0;
      // Modes 1 and 5 wait for the gate to rise; a running one-shot keeps its count until then, in start's terms.
      if (get(s.mode, channel) !== 1 && get(s.mode, channel) !== 5) {
        s.running[channel] = 1;
        s.held[channel] = 0;
        startAt(channel, clock.now());
      }
    }
    if (channel === 0) schedule();
  };

  const writeCounter = (channel: Channel, value: number) => {
    const access = get(s.access, channel);
    if (access === 1) load(channel, value);
    else if (access === 2) load(channel, value << 8);
    else if (get(s.writeHigh, channel) === 0) {
      s.writeLow[channel] = value;
      s.writeHigh[channel] = 1;
      // In mode 0 the first byte stops counting.
      if (get(s.mode, channel) === 0) {
        s.running[channel] = 0;
        if (channel === 0) schedule();
      }
    } else {
      s.writeHigh[channel] = 0;
      load(channel, (value << 8) | get(s.writeLow, channel));
    }
  };

  const latchCount = (channel: Channel) => {
    if (get(s.latched, channel) !== 0) return;
    s.latch[channel] = counterAt(counter(channel));
    s.latched[channel] = get(s.access, channel) === 3 ? 3 : get(s.access, channel);
  };

  const latchStatus = (channel: Channel) => {
    if (get(s.statusLatched, channel) !== 0) return;
    const output = outputAt(counter(channel)) ? 0x80 : 0;
    const empty = get(s.count, channel) === 0 || get(s.next, channel) !== 0 ? 0x40 : 0;
    s.status[channel] = output | empty | (get(s.access, channel) << 4) | (get(s.mode, channel) << 1) | get(s.bcd, channel);
    s.statusLatched[channel] = 1;
  };

  const control = (word: number) => {
    if (word >>> 6 === 3) {
      for (const channel of [0, 1, 2] as const) {
        if ((word & (2 << channel)) === 0) continue;
        if ((word & 0x20) === 0) latchCount(channel);
        if ((word & 0x10) === 0) latchStatus(channel);
      }
      return;
    }
    const channel = (word >>> 6) as Channel;
    const access = (word >>> 4) & 3;
    if (access === 0) {
      latchCount(channel);
      return;
    }
    const mode = (word >>> 1) & 7;
    s.access[channel] = access;
    s.mode[channel] = mode > 5 ? mode - 4 : mode;
    s.bcd[channel] = word & 1;
    for (const member of [s.count, s.next, s.held, s.running, s.latched, s.statusLatched, s.readHigh, s.writeHigh])
      member[channel] = 0;
    if (channel === 0) schedule();
  };

  const readCounter = (channel: Channel) => {
    if (get(s.statusLatched, channel)) {
      s.statusLatched[channel] = 0;
      return get(s.status, channel);
    }
    const waiting = get(s.latched, channel);
    if (waiting !== 0) {
      const low = (waiting & 1) !== 0;
      s.latched[channel] = low ? waiting & 2 : 0;
      return low ? get(s.latch, channel) & 0xff : get(s.latch, channel) >>> 8;
    }
    const value = counterAt(counter(channel));
    if (get(s.access, channel) === 1) return value & 0xff;
    if (get(s.access, channel) === 2) return value >>> 8;
    const high = get(s.readHigh, channel) !== 0;
    s.readHigh[channel] = high ? 0 : 1;
    return high ? value >>> 8 : value & 0xff;
  };

  const setGate = (channel: Channel, level: 0 | 1) => {
    const before = get(s.gate, channel);
    if (before === level) return;
    const mode = get(s.mode, channel);
    const holds = mode === 0 || mode === 4;
    if (level === 0 && holds) s.held[channel] = Math.min(65536, ticks(channel));
    s.gate[channel] = level;
    if (level === 0) return;
    if (holds) startAt(channel, clock.now() - (get(s.held, channel) * 1e9) / HZ);
    else if (get(s.count, channel) !== 0) {
      // A rising gate loads and starts.
      if (get(s.next, channel) !== 0) s.count[channel] = get(s.next, channel);
      s.next[channel] = 0;
      s.running[channel] = 1;
      startAt(channel, clock.now());
    }
  };

  /** A square wave of channel 2 behind an open gate and with the speaker's data bit. Clicks made by hand are not tones. */
  const hertz = (): number => {
    const square = (get(s.mode, 2) === 2 || get(s.mode, 2) === 3) && get(s.running, 2) !== 0;
    if (!square || get(s.gate, 2) === 0 || (s.speaker & SPEAKER_DATA) === 0) return 0;
    return HZ / (get(s.next, 2) || get(s.count, 2) || 65536);
  };
  const heard = (change: () => void) => {
    const before = hertz();
    change();
    const after = hertz();
    if (after !== before) tone(after);
  };

  machine.bus.addPorts({
    name: 'pit',
    port: 0x40,
    count: 4,
    widest: 1,
    read: (at) => (at === 3 ? 0xff : readCounter(at as Channel)),
    write: (at, _size, value) =>
      heard(() => {
        if (at === 3) control(value);
        else writeCounter(at as Channel, value);
      }),
  });
  machine.bus.addPorts({
    name: 'pit.speaker',
    port: 0x61,
    count: 1,
    widest: 1,
    read: () => {
      const refresh = Math.floor(clock.now() / REFRESH) & 1;
      return get(s.gate, 2) | s.speaker | (refresh << 4) | (outputAt(counter(2)) ? 0x20 : 0);
    },
    write: (_at, _size, value) =>
      heard(() => {
        s.speaker = value & 0x0e;
        setGate(2, (value & 1) as 0 | 1);
      }),
  });

  return {
    state: s,
    output: (channel) => outputAt(counter(channel)),
    reset: () => {
      pitState.reset(s);
      s.gate[2] = 0;
      schedule();
      tone(0);
    },
    restored: schedule,
  };
}

function fromDecimal(value: number): number {
  return (value >>> 12) * 1000 + ((value >>> 8) & 15) * 100 + ((value >>> 4) & 15) * 10 + (value & 15);
}
