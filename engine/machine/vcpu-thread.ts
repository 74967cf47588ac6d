/**
 * The loop of a thread that runs vCPUs: one, or several in turn. Between two runs it looks at the gate, publishes what was asked for,
 * waits for a slow reader of the serial port, and serves deadlines. While nothing is to be done it sleeps on a word of shared memory.
 */
import { type Deadlines, type Lock, type MachineClock, REQUEST, type Requests, type Watcher } from '../base/index.ts';
import type { DeadlineKeeper } from './deadline-keeper.ts';
import type { Gate } from './gate.ts';
import type { Answer, FromVcpus, MachineEvent, NextInstruction, Question, VcpuReport } from './messages.ts';
import type { Channel } from './ports.ts';
import { OUTPUT_HIGH_WATER, type SerialRings } from './serial-line.ts';
import type { StopKeeper } from './stop-keeper.ts';

/** Why a vCPU stopped running, as this loop sees it. */
export type Step =
  /** Its budget is used up, or a request is to be looked at. */
  | 'again'
  /** It waits in a loop for another vCPU, which should get the host's processor. */
  | 'spinning'
  /** Halted until an interrupt. */
  | 'halted'
  /** In MWAIT: an interrupt or a store to the monitored line wakes it. */
  | 'monitoring'
  /** After INIT: only a start-up IPI wakes it. */
  | 'waiting-for-sipi'
  /** Triple fault. */
  | 'shutdown'
  /** VM entry refused the state its hypervisor made: a defect of the engine. */
  | 'entry-failed';

/** A vCPU as this loop uses it. All of it is called on the vCPU's own thread. */
export interface RunnableVcpu {
  readonly id: number;
  /** Run at most `limit` instructions. `retired` counts those that were. */
  run(limit: number): { readonly step: Step; readonly retired: number };
  /** After `halted` and the like: sleep until there is something to do, at most `milliseconds`. True when there is. */
  wait(milliseconds: number): boolean;
  report(): VcpuReport;
  answer(question: Question): Answer;
  next(): NextInstruction;
  watch(watcher: Watcher | undefined): void;
}

export interface VcpuThreadOptions {
  readonly vcpus: readonly RunnableVcpu[];
  readonly gate: Gate;
  readonly requests: Requests;
  readonly clock: MachineClock;
  readonly deadlines: Deadlines;
  readonly keeper: DeadlineKeeper;
  readonly lock: Lock;
  readonly serial: readonly SerialRings[];
  readonly stops: StopKeeper;
  readonly channel: Pick<Channel<FromVcpus, never>, 'post'>;
}

/** Longest run in host nanoseconds. A deadline nearer than that which is armed meanwhile ends the run. */
const SLICE = 500_000;
/** Fewest instructions worth a run. */
const LEAST = 200;
/** How long a vCPU that spins gives its processor away, in milliseconds: about what the other one's turn is worth. */
const YIELD = 0.05;
/** How long to wait for a slow reader before looking at everything else again, in milliseconds. */
const READER = 100;
/**
 * Instructions of one run at the most, whatever its vCPU did before: what generated code did in 0.3 ns each may be followed by a loop
 * around RDTSC at 100 ns, and Linux takes its timer for broken when one run lasts for several ticks.
 */
const MOST = 1 << 17;
/** A wait ends after this many milliseconds at the latest; nothing depends on it. */
const FOREVER = 60_000;
/** How often a vCPU in MWAIT looks at its line when another vCPU could write it, in milliseconds. */
const MONITOR = 1;

interface Seat {
  readonly vcpu: RunnableVcpu;
  /** Host nanoseconds per instruction lately. */
  pace: number;
  step: Step;
}

/** The run under way on this thread. */
interface CurrentRun {
  /** -1 between runs. */
  vcpu: number;
  /** The deadline it is bound by, in machine ns. */
  next: number;
}

/** Run until the machine ends. */
export function runVcpuThread(options: VcpuThreadOptions): void {
  const { gate, requests, channel, serial, clock, deadlines, stops } = options;
  stops.connect(channel);
  const seats = options.vcpus.map((vcpu): Seat => ({ vcpu, pace: 20, step: 'again' }));
  const current: CurrentRun = { vcpu: -1, next: 0 };
  deadlines.onArmed = (ns) => {
    if (current.vcpu < 0 || ns >= current.next || clock.hostUntil(ns) >= SLICE) return;
    current.next = ns;
    requests.raiseOne(current.vcpu, REQUEST.sync);
  };
  for (;;) {
    const { state } = gate;
    if (state === 'ending') return;
    if (state === 'closed') {
      park(seats, options);
      continue;
    }
    stops.refresh(options.vcpus);
    let busy = false;
    for (const seat of seats) {
      publish(seat, options);
      const full = serial.find(({ output }) => output.length > OUTPUT_HIGH_WATER);
      if (full !== undefined && !full.output.waitForRoom(READER)) {
        busy = true;
        continue;
      }
      if (seat.step !== 'again' && !seat.vcpu.wait(0)) continue;
      runOnce(seat, current, options);
      const fatal = fatalEvent(seat);
      if (fatal !== undefined) {
        gate.close();
        channel.post({ kind: 'event', event: fatal });
        requests.raise(-1, REQUEST.stop);
        break;
      }
      if (seat.step === 'spinning') {
        // In turn with others of this thread, its turn is over anyway.
        if (seats.length === 1) seat.vcpu.wait(YIELD);
        seat.step = 'again';
      }
      busy ||= seat.step === 'again';
    }
    serveDeadlines(options);
    if (!busy && gate.state === 'open') sleep(seats, options);
  }
}

/** Stand still until the gate opens, and answer what is asked meanwhile. */
function park(seats: readonly Seat[], options: VcpuThreadOptions): void {
  const { gate, requests, channel, stops } = options;
  channel.post({ kind: 'parked' });
  const serve = (): void => {
    for (const { vcpu } of seats) requests.served(vcpu.id, REQUEST.stop);
  };
  const ids = seats.map(({ vcpu }) => vcpu.id);
  stops.quiet = true;
  while (gate.state === 'closed') {
    gate.waitWhileClosed(ids);
    serve();
    for (const seat of seats) publish(seat, options);
  }
  stops.quiet = false;
  stops.refresh(options.vcpus);
  for (const seat of seats) {
    if (gate.state === 'open') stops.resumed(seat.vcpu.id, seat.vcpu.next());
    seat.step = 'again';
  }
  serve();
}

/** What happened, when the vCPU cannot go on. */
function fatalEvent({ vcpu, step }: Seat): MachineEvent | undefined {
  if (step === 'shutdown') return { kind: 'triple-fault', report: vcpu.report() };
  if (step !== 'entry-failed') return undefined;
  const answer = vcpu.answer({ kind: 'vmcs' });
  const checks = answer.kind === 'vmcs' ? answer.vmcs?.failure : undefined;
  return { kind: 'entry-failed', vcpu: vcpu.id, checks: checks ?? [] };
}

function publish({ vcpu }: Seat, { gate, requests, channel }: VcpuThreadOptions): void {
  requests.served(vcpu.id, REQUEST.sync);
  const asked = gate.takeQuestion(vcpu.id);
  if (asked === undefined) return;
  const { serial, question } = asked;
  channel.post({ kind: 'answer', vcpu: vcpu.id, serial, answer: vcpu.answer(question) });
}

function runOnce(seat: Seat, current: CurrentRun, { clock, keeper, vcpus, stops }: VcpuThreadOptions): void {
  const { vcpu } = seat;
  const next = keeper.beforeRun();
  const room = Math.min(SLICE / vcpus.length, clock.hostUntil(next));
  const start = clock.now();
  current.next = next;
  current.vcpu = vcpu.id;
  stops.turn(vcpu.id);
  const { step, retired } = vcpu.run(Math.min(MOST, Math.max(LEAST, Math.floor(room / seat.pace))));
  current.vcpu = -1;
  keeper.afterRun();
  if (retired > LEAST) {
    const pace = (clock.now() - start) / retired;
    seat.pace = Math.min(200, Math.max(0.3, seat.pace * 0.75 + pace * 0.25));
  }
  seat.step = step;
}

/** Fire what is due. Any vCPU thread does so; a sleeping one is woken for it by the keeper's rules. */
function serveDeadlines({ clock, deadlines, lock }: VcpuThreadOptions): void {
  const now = clock.now();
  if (deadlines.next() <= now) lock.run(() => deadlines.serve(now));
}

function sleep(seats: readonly Seat[], { requests, keeper }: VcpuThreadOptions): void {
  const [first] = seats;
  if (first === undefined) return;
  const kept = keeper.beforeSleep();
  const watched = requests.vcpus > 1 && seats.some(({ step }) => step === 'monitoring') ? MONITOR : FOREVER;
  const milliseconds = Math.min(kept, watched);
  // Of several vCPUs on this thread the first one's word is watched: whoever wakes another raises `sync` there as well.
  const ready = seats.some(({ vcpu }) => vcpu !== first.vcpu && vcpu.wait(0));
  if (!ready) first.vcpu.wait(milliseconds);
  keeper.afterSleep();
  // What it monitors may have been written: only running tells.
  for (const seat of seats) if (seat.step === 'monitoring') seat.step = 'again';
}
