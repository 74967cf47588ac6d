import { describe, expect, it } from 'vitest';
import { REQUEST, Requests } from '../base/index.ts';
import { createObservation } from '../hypervisor/index.ts';
import { createMachineMemory, FIXED } from '../memory/index.ts';
import { createDeadlineKeeper } from './deadline-keeper.ts';
import { Gate } from './gate.ts';
import type { Answer, FromVcpus, Question, VcpuReport } from './messages.ts';
import { createSerialLine, OUTPUT_HIGH_WATER, takeSerialRings } from './serial-line.ts';
import { SerialTail } from './serial-tail.ts';
import { StopKeeper, takeStopList } from './stop-keeper.ts';
import { type RunnableVcpu, runVcpuThread, type Step } from './vcpu-thread.ts';

const WAKE = REQUEST.interrupt | REQUEST.nmi | REQUEST.stop | REQUEST.sync;

interface MachineOptions {
  readonly vcpus?: number;
  /** Host time in ns; `made.host.now` when absent. */
  readonly hostNow?: () => number;
  /** Make another thread's view of this memory. */
  readonly memory?: WebAssembly.Memory;
}

/** A machine's memory with request words of its own, so that no processor is needed. */
function machine({ vcpus = 1, hostNow, memory: known }: MachineOptions = {}) {
  const host = { now: 0 };
  const memory = createMachineMemory({
    ramBytes: 1 << 20,
    vcpus,
    arenaBytes: 8 << 20,
    hostNow: hostNow ?? (() => host.now),
    ...(known && { memory: known }),
  });
  const words = memory.arena.take('request words', 4 * vcpus, 64);
  const requests = new Requests({ words: memory.i32, block: FIXED.requests, vcpus, requestWord: (vcpu) => words + 4 * vcpu });
  const place = memory.arena.take('keeper', 8, 64);
  const rings = takeSerialRings(memory);
  const gate = new Gate(memory);
  const list = takeStopList(memory);
  const tail = new SerialTail(memory);
  const observation = createObservation(memory);
  const stops = new StopKeeper({ memory, list, tail, gate, requests, observation, vmcsFields: {} });
  if (known === undefined) memory.clock.start();
  return { host, memory, place, requests, rings, serial: [rings], gate, stops };
}

/** A vCPU that tells the same whatever it is asked. */
const silent = {
  report: (): VcpuReport => ({ vcpu: 0, activity: 'running', instructions: 1, registers: [] }),
  answer: (): Answer => ({ kind: 'vmcs', vmcs: undefined }),
  next: () => ({ linear: 0n, bits: 16, rsp: 0n, cr3: 0n, cpl: 0 }) as const,
  watch: () => undefined,
};

/** A vCPU that does what a list says, one entry for each run; the gate ends after the last. */
function scripted(
  { gate, requests }: ReturnType<typeof machine>,
  script: (() => Step)[],
): RunnableVcpu & { readonly limits: number[] } {
  const limits: number[] = [];
  const id = 0;
  return {
    id,
    limits,
    run: (limit) => {
      limits.push(limit);
      const step = script[limits.length - 1]?.() ?? 'again';
      if (limits.length >= script.length) gate.end();
      return { step, retired: step === 'again' ? limit : 0 };
    },
    wait: (milliseconds) => requests.wait(id, WAKE, milliseconds),
    ...silent,
  };
}

function runThread(made: ReturnType<typeof machine>, vcpus: readonly RunnableVcpu[]): FromVcpus[] {
  const { memory, place, requests, serial, gate, stops } = made;
  const messages: FromVcpus[] = [];
  const keeper = createDeadlineKeeper({ memory, place, requests, keeps: true, roundRobin: vcpus.length > 1 });
  const { clock, deadlines, lock } = memory;
  runVcpuThread({
    vcpus,
    gate,
    requests,
    clock,
    deadlines,
    keeper,
    lock,
    serial,
    stops,
    channel: { post: (message) => messages.push(message) },
  });
  return messages;
}

describe('vCPU thread', () => {
  it('bounds a run by the next deadline and serves what is due under the machine lock', () => {
    const made = machine();
    const fired: number[] = [];
    const timer = made.memory.deadlines.timer((due) => {
      expect(made.memory.lock.held).toBe(true);
      fired.push(due);
    });
    timer.at(40_000);
    made.gate.open();
    const vcpu = scripted(made, [
      () => {
        made.host.now = 50_000;
        return 'again';
      },
      () => 'again',
    ]);
    runThread(made, [vcpu]);
    expect(fired).toEqual([40_000]);
    const [first = 0, second = 0] = vcpu.limits;
    expect(first).toBeLessThanOrEqual(40_000);
    expect(second).toBeGreaterThan(first);
  });

  it('ends a run for a nearer deadline that is armed inside it, and only for that', () => {
    const made = machine();
    const timer = made.memory.deadlines.timer(() => undefined);
    const raised = () => (made.requests.pending(0) & REQUEST.sync) !== 0;
    const seen: boolean[] = [];
    const arm = (ns: number) => () => {
      timer.at(made.host.now + ns);
      seen.push(raised());
      made.requests.served(0, REQUEST.sync);
      return 'again' as const;
    };
    made.gate.open();
    const vcpu = scripted(made, [arm(10_000_000), arm(100_000), arm(200_000), arm(50_000), () => 'again']);
    runThread(made, [vcpu]);
    expect(seen).toEqual([false, true, false, true]);
    expect(vcpu.limits[4]).toBeLessThanOrEqual(50_000);
  });

  it('ends a run for a nearer deadline of another thread', () => {
    const made = machine();
    const { memory, place, requests } = made;
    const timer = memory.deadlines.timer(() => undefined);
    timer.at(400_000);
    const other = machine({ hostNow: () => 0, memory: memory.memory });
    const theirs = other.memory.deadlines.timer(() => undefined);
    const io = createDeadlineKeeper({ memory: other.memory, place, requests, keeps: false, roundRobin: false });
    const seen: boolean[] = [];
    const arm = (ns: number) => () => {
      theirs.at(ns);
      io.nudge();
      seen.push((requests.pending(0) & REQUEST.sync) !== 0);
      return 'again' as const;
    };
    made.gate.open();
    runThread(made, [scripted(made, [arm(400_000), arm(100_000)])]);
    expect(seen).toEqual([false, true]);
    io.nudge();
    requests.served(0, REQUEST.sync);
    io.nudge();
    expect(requests.pending(0)).toBe(0); // between runs it looks by itself
  });

  it('sleeps while halted until a request comes, and wakes for it', () => {
    const made = machine();
    made.gate.open();
    const vcpu = scripted(made, [
      () => {
        made.requests.raiseOne(0, REQUEST.interrupt);
        return 'halted';
      },
      () => {
        made.requests.served(0, REQUEST.interrupt);
        return 'again';
      },
    ]);
    runThread(made, [vcpu]);
    expect(vcpu.limits).toHaveLength(2);
  });

  it('does not spin on an interrupt that a halted vCPU does not take', () => {
    const begun = performance.now();
    const made = machine({ hostNow: () => (performance.now() - begun) * 1e6 });
    made.gate.open();
    made.requests.raiseOne(0, REQUEST.interrupt);
    let runs = 0;
    // The sleep must end by this deadline, not by the interrupt that is pending all the time.
    made.memory.deadlines.timer(() => made.requests.raiseOne(0, REQUEST.nmi)).at(30e6);
    const vcpu: RunnableVcpu = {
      id: 0,
      run: () => {
        runs++;
        if ((made.requests.pending(0) & REQUEST.nmi) !== 0) made.gate.end();
        return { step: 'halted', retired: 0 };
      },
      // Interrupts are off: this one is pending all the time and wakes nobody.
      wait: (milliseconds) => made.requests.wait(0, REQUEST.nmi, milliseconds),
      ...silent,
    };
    runThread(made, [vcpu]);
    expect(performance.now() - begun).toBeGreaterThan(25);
    expect(runs).toBeLessThan(5);
  });

  it("runs no vCPU while the serial port's reader is behind, but answers and ends", () => {
    const made = machine();
    made.gate.open();
    made.rings.output.write(new Uint8Array(OUTPUT_HIGH_WATER + 1));
    made.gate.ask(0, 7, { kind: 'vmcs' });
    let runs = 0;
    const vcpu: RunnableVcpu = {
      id: 0,
      run: () => {
        runs++;
        return { step: 'again', retired: 1 };
      },
      wait: () => false,
      ...silent,
      answer: () => {
        made.gate.end();
        return silent.answer();
      },
    };
    expect(runThread(made, [vcpu])).toMatchObject([{ kind: 'answer', serial: 7 }]);
    expect(runs).toBe(0);
  });

  it('answers what it was asked, once', () => {
    const made = machine();
    made.gate.open();
    made.gate.ask(0, 41, { kind: 'registers' });
    made.gate.ask(0, 42, { kind: 'walk', gva: 0xffff_8000_1234_5678n });
    const asked: Question[] = [];
    const answer = (question: Question): Answer => {
      asked.push(question);
      return silent.answer();
    };
    const vcpu = { ...scripted(made, [() => 'again', () => 'again']), answer };
    const messages = runThread(made, [vcpu]);
    expect(asked).toEqual([{ kind: 'walk', gva: 0xffff_8000_1234_5678n }]);
    expect(messages).toEqual([{ kind: 'answer', vcpu: 0, serial: 42, answer: { kind: 'vmcs', vmcs: undefined } }]);
  });

  it('closes the gate on a triple fault and says which vCPU it was', () => {
    const made = machine();
    made.gate.open();
    const vcpu = scripted(made, [() => 'shutdown']);
    expect(runThread(made, [vcpu])).toMatchObject([{ kind: 'event', event: { kind: 'triple-fault', report: { vcpu: 0 } } }]);
    expect(made.requests.pending(0) & REQUEST.stop).toBe(REQUEST.stop);
  });

  it('closes the gate when VM entry fails, and hands on the checklist', () => {
    const made = machine();
    made.gate.open();
    const checks = [{ stage: 'guest' as const, rule: 'RFLAGS', ok: false, fields: [] }];
    const vmcs = { pointer: 0n, launched: true, fields: [], failure: checks };
    const vcpu = { ...scripted(made, [() => 'entry-failed']), answer: (): Answer => ({ kind: 'vmcs', vmcs }) };
    expect(runThread(made, [vcpu])).toEqual([{ kind: 'event', event: { kind: 'entry-failed', vcpu: 0, checks } }]);
    expect(made.requests.pending(0) & REQUEST.stop).toBe(REQUEST.stop);
  });

  it('runs several vCPUs in turn, sleeping ones left out', () => {
    const made = machine({ vcpus: 3 });
    made.gate.open();
    const order: number[] = [];
    const seat = (id: number, step: Step): RunnableVcpu => ({
      id,
      run: () => {
        order.push(id);
        if (order.length === 5) made.gate.end();
        return { step, retired: 0 };
      },
      wait: (milliseconds) => made.requests.wait(id, WAKE, milliseconds),
      ...silent,
    });
    runThread(made, [seat(0, 'again'), seat(1, 'waiting-for-sipi'), seat(2, 'again')]);
    expect(order).toEqual([0, 1, 2, 0, 2]);
  });
});

describe('deadline keeper', () => {
  it('is woken for a deadline earlier than the one it sleeps for, and only then', () => {
    const { memory, place, requests } = machine({ vcpus: 2 });
    const keeper = createDeadlineKeeper({ memory, place, requests, keeps: true, roundRobin: false });
    const elsewhere = machine({ vcpus: 2, memory: memory.memory });
    const other = createDeadlineKeeper({ ...elsewhere, keeps: false, roundRobin: false });
    const timer = memory.deadlines.timer(() => undefined);
    timer.at(9e6);
    expect(keeper.beforeSleep()).toBeCloseTo(9, 1);
    other.nudge();
    expect(requests.pending(0)).toBe(REQUEST.sync);
    requests.served(0, REQUEST.sync);
    keeper.afterSleep();
    other.nudge();
    expect(requests.pending(0)).toBe(0);
  });
});

describe('serial line', () => {
  it('delivers no more than the device has room for, and the rest when it has read', () => {
    const { rings } = machine();
    const line = createSerialLine(rings);
    const device: number[] = [];
    let room = 2;
    line.onByte(
      (byte) => device.push(byte),
      () => room - device.length,
    );
    rings.input.write(Uint8Array.of(1, 2, 3, 4, 5));
    line.ready();
    expect(device).toEqual([1, 2]);
    room = 4;
    line.ready();
    expect(device).toEqual([1, 2, 3, 4]);
    device.length = 0;
    line.ready();
    expect(device).toEqual([5]);
  });

  it('keeps output in order', () => {
    const { rings } = machine();
    const line = createSerialLine(rings);
    for (const byte of [7, 8, 9]) line.send(byte);
    expect([...rings.output.read(10)]).toEqual([7, 8, 9]);
  });
});
