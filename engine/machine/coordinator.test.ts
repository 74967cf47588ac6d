import { describe, expect, it } from 'vitest';
import { EngineError, REQUEST, Requests } from '../base/index.ts';
import { MachineSettings, type MachineSettingsInput } from '../contract/settings.ts';
import { bareCapabilities } from '../hypervisor/bare/index.ts';
import { createObservation } from '../hypervisor/index.ts';
import { createMachineMemory, FIXED } from '../memory/index.ts';
import { Coordinator, type ThreadEvents } from './coordinator.ts';
import { Gate } from './gate.ts';
import type { FromIo, FromVcpus, ThreadPlan, ToIo, VcpuReport } from './messages.ts';
import { takeStopList } from './stop-keeper.ts';

/** A coordinator whose threads are this test: it sees what they are told and says what they would say. Time passes by hand. */
function make(given: Partial<MachineSettingsInput> = {}) {
  const settings = MachineSettings.parse({ name: 'one', kernel: 'k', ...given });
  const memory = createMachineMemory({ ramBytes: 1 << 20, vcpus: settings.cpus, arenaBytes: 8 << 20 });
  const gate = new Gate(memory);
  const stops = takeStopList(memory);
  const place = memory.arena.take('request words', 4 * settings.cpus, 64);
  const requestWords = Array.from({ length: settings.cpus }, (_, vcpu) => place + 4 * vcpu);
  const requests = new Requests({
    words: memory.i32,
    block: FIXED.requests,
    vcpus: settings.cpus,
    requestWord: (vcpu) => place + 4 * vcpu,
  });
  const told: ToIo['kind'][] = [];
  const terminated: string[] = [];
  const timers = new Map<() => void, number>();
  const vcpus: { plan: ThreadPlan['role']; events: ThreadEvents<FromVcpus> }[] = [];
  let io: ThreadEvents<FromIo> | undefined;
  const monitor: string[] = [];
  const notices: string[] = [];
  const machine = new Coordinator({
    settings,
    control: { memory, gate, observation: createObservation(memory), capabilities: bareCapabilities(), vmcsOf: undefined, stops },
    startIo: (_plan, events) => {
      io = events;
      return { post: ({ kind }) => told.push(kind), terminate: async () => void terminated.push('io') };
    },
    startVcpus: (plan, events) => {
      vcpus.push({ plan, events });
      return { post: () => undefined, terminate: async () => void terminated.push('vcpus') };
    },
    after: (milliseconds, callback) => {
      timers.set(callback, milliseconds);
      return () => timers.delete(callback);
    },
    onSerial: () => undefined,
    onTone: () => undefined,
    onNotice: (notice) => notices.push(notice.code),
    onMonitor: (bytes) => monitor.push(Buffer.from(bytes).toString()),
  });
  const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));
  const fromIo = async (message: FromIo): Promise<void> => {
    io?.onMessage(message);
    await turn();
  };
  const fromVcpus = async (thread: number, message: FromVcpus): Promise<void> => {
    vcpus[thread]?.events.onMessage(message);
    await turn();
  };
  const allPark = async (): Promise<void> => {
    for (let thread = 0; thread < vcpus.length; thread++) await fromVcpus(thread, { kind: 'parked' });
  };
  return {
    machine,
    memory,
    gate,
    requests,
    told,
    terminated,
    vcpus,
    monitor,
    notices,
    turn,
    fromIo,
    fromVcpus,
    allPark,
    failIo: (reason: string) => io?.onFailure(reason),
    failVcpus: (reason: string) => vcpus[0]?.events.onFailure(reason),
    /** Every vCPU thread sees the end, then the I/O thread has delivered everything. */
    allEnd: async () => {
      for (const { events } of vcpus) events.onExit();
      await turn();
      await fromIo({ kind: 'finished' });
    },
    elapse: async () => {
      for (const callback of [...timers.keys()]) {
        timers.delete(callback);
        callback();
      }
      await turn();
    },
    start: async () => {
      const started = machine.start();
      started.catch(() => undefined);
      await fromIo({ kind: 'built', requestWords });
      await allPark();
      return started;
    },
    /** Started, with the guest running. */
    async run() {
      const started = machine.start();
      await fromIo({ kind: 'built', requestWords });
      await allPark();
      await fromIo({ kind: 'booted' });
      await started;
    },
  };
}

const report: VcpuReport = { vcpu: 0, activity: 'running', instructions: 5, registers: [] };

describe('coordinator', () => {
  it('boots while its threads are made, and opens the gate when every one is parked', async () => {
    const made = make({ cpus: 2 });
    const started = made.machine.start();
    await made.fromVcpus(0, { kind: 'parked' });
    expect(made.told).toEqual(['boot']);
    await made.fromIo({ kind: 'booted' });
    expect(made.gate.state).toBe('closed');
    expect(made.memory.clock.running).toBe(false);
    await made.fromVcpus(1, { kind: 'parked' });
    await started;
    expect(made.machine.status).toBe('running');
    expect(made.gate.state).toBe('open');
    expect(made.memory.clock.running).toBe(true);
  });

  it('has one thread for each vCPU, or one for all', () => {
    expect(make({ cpus: 3 }).vcpus.map(({ plan }) => plan)).toEqual([0, 1, 2].map((vcpu) => ({ kind: 'vcpus', vcpus: [vcpu] })));
    expect(make({ cpus: 3, threads: 'round-robin' }).vcpus.map(({ plan }) => plan)).toEqual([
      { kind: 'vcpus', vcpus: [0, 1, 2] },
    ]);
  });

  it('is over when the images cannot be loaded, and says why', async () => {
    const made = make();
    const started = made.machine.start();
    const refused = expect(started).rejects.toThrow('There is no kernel at k; check the path.');
    await made.allPark();
    await made.fromIo({ kind: 'failed', failure: { code: 'file-missing', data: { what: 'kernel', path: 'k' } } });
    expect(made.gate.state).toBe('ending');
    await made.allEnd();
    await refused;
    expect(made.terminated).toEqual(['io']);
    expect(await made.machine.ended).toMatchObject({ kind: 'failed' });
  });

  it.each([['before'], ['after']])('is over when a vCPU thread cannot be made: %s the images are loaded', async (when) => {
    const made = make({ cpus: 2 });
    const started = made.machine.start();
    const refused = expect(started).rejects.toThrow(/no room/);
    await made.fromVcpus(1, { kind: 'parked' });
    if (when === 'after') await made.fromIo({ kind: 'booted' });
    made.failVcpus('no room');
    await made.turn();
    expect(made.gate.state).toBe('ending');
    await made.allEnd();
    await refused;
    expect(await made.machine.ended).toMatchObject({ kind: 'failed' });
  });

  it('boots again only when every vCPU stands still', async () => {
    const made = make({ cpus: 2 });
    await made.run();
    made.machine.reset();
    await made.fromVcpus(0, { kind: 'parked' });
    expect(made.told).toEqual(['boot']);
    await made.fromVcpus(1, { kind: 'parked' });
    expect(made.told).toEqual(['boot', 'boot']);
    await made.fromIo({ kind: 'booted' });
    expect(made.gate.state).toBe('open');
  });

  it('ends when the guest powers off, after the last byte is out', async () => {
    const made = make();
    await made.run();
    await made.fromVcpus(0, { kind: 'event', event: { kind: 'poweroff' } });
    expect(made.machine.status).toBe('stopping');
    expect(made.gate.state).toBe('ending');
    made.vcpus[0]?.events.onExit();
    await made.turn();
    expect(made.told).toEqual(['boot', 'finish']);
    // A reader may take as long as it likes.
    await made.elapse();
    expect(made.terminated).toEqual([]);
    await made.fromIo({ kind: 'finished' });
    expect(await made.machine.ended).toEqual({ kind: 'poweroff' });
    expect(made.memory.clock.running).toBe(false);
  });

  it('does not wait for a slow reader when it is stopped, nor for a thread that does not answer', async () => {
    const made = make();
    await made.run();
    made.machine.stop('SIGINT');
    await made.turn();
    expect(made.requests.pending(0) & REQUEST.stop).toBe(REQUEST.stop);
    await made.elapse(); // the vCPU thread hangs
    await made.elapse(); // nobody reads
    expect(made.terminated).toEqual(['vcpus', 'io']);
    expect(await made.machine.ended).toEqual({ kind: 'stopped', why: 'SIGINT' });
  });

  it('keeps the first reason, and a second stop gives up on the last bytes', async () => {
    const made = make();
    await made.run();
    await made.fromVcpus(0, { kind: 'event', event: { kind: 'debug-exit', value: 3 } });
    made.vcpus[0]?.events.onExit();
    await made.turn();
    made.machine.stop('SIGINT');
    expect(await made.machine.ended).toEqual({ kind: 'debug-exit', value: 3 });
  });

  it('resets: parks every vCPU, boots again, goes on', async () => {
    const made = make();
    await made.run();
    await made.fromVcpus(0, { kind: 'event', event: { kind: 'reset' } });
    expect(made.gate.state).toBe('closed');
    expect(made.told).toEqual(['boot']);
    await made.fromVcpus(0, { kind: 'event', event: { kind: 'reset' } }); // the same access, reported twice
    await made.allPark();
    expect(made.told).toEqual(['boot', 'boot']);
    expect(made.memory.clock.running).toBe(true);
    await made.fromIo({ kind: 'booted' });
    expect(made.gate.state).toBe('open');
    expect(made.machine.status).toBe('running');
  });

  it('ends when an image is gone at a reset', async () => {
    const made = make();
    await made.run();
    made.machine.reset();
    await made.allPark();
    await made.fromIo({ kind: 'failed', failure: { code: 'file-missing', data: { what: 'initrd', path: 'i' } } });
    await made.allEnd();
    expect(await made.machine.ended).toMatchObject({ kind: 'failed', failure: { code: 'file-missing' } });
  });

  it.each([
    ['a reset', { kind: 'reset' } as const],
    ['a triple fault', { kind: 'triple-fault', report } as const],
    ['a failed VM entry', { kind: 'entry-failed', vcpu: 0, checks: [] } as const],
  ])('ends on %s under noReboot', async (_what, event) => {
    const made = make({ noReboot: true });
    await made.run();
    await made.fromVcpus(0, { kind: 'event', event });
    await made.allEnd();
    expect(await made.machine.ended).toEqual(event);
  });

  it('ends when a thread fails, whichever it is', async () => {
    const io = make();
    await io.run();
    io.failIo('out of luck');
    await io.allEnd();
    expect(await io.machine.ended).toMatchObject({ kind: 'failed', failure: { data: { thread: 'I/O', reason: 'out of luck' } } });
    const vcpu = make();
    const started = vcpu.start();
    const refused = expect(started).rejects.toBeInstanceOf(EngineError);
    await vcpu.turn();
    vcpu.failVcpus('out of luck');
    await vcpu.allEnd();
    await refused;
    expect(await vcpu.machine.ended).toMatchObject({ kind: 'failed', failure: { data: { thread: 'vCPU' } } });
  });

  it('asks a vCPU for a report by a request, once for all who want it', async () => {
    const made = make({ cpus: 2, threads: 'round-robin' });
    await made.run();
    const both = Promise.all([made.machine.report(1), made.machine.report(1)]);
    const asked = made.gate.takeQuestion(1);
    expect(asked?.question).toEqual({ kind: 'registers' });
    // The thread sleeps on the word of its first vCPU.
    expect(made.requests.pending(0) & REQUEST.sync).toBe(REQUEST.sync);
    const answer = { kind: 'registers', report: { ...report, vcpu: 1 } } as const;
    await made.fromVcpus(0, { kind: 'answer', vcpu: 1, serial: asked?.serial ?? 0, answer });
    expect((await both).map(({ vcpu }) => vcpu)).toEqual([1, 1]);
  });

  it('asks one question after the other, and takes no answer for another one', async () => {
    const made = make();
    await made.run();
    const { questions } = made.machine;
    const vmcs = questions.ask(0, { kind: 'vmcs' });
    const registers = made.machine.report(0);
    const first = made.gate.takeQuestion(0);
    expect(first?.question).toEqual({ kind: 'vmcs' });
    expect(made.gate.takeQuestion(0)).toBeUndefined();
    const late = expect(vmcs).rejects.toMatchObject({ code: 'machine-not-answering' });
    await made.elapse();
    await late;
    const second = made.gate.takeQuestion(0);
    expect(second?.question).toEqual({ kind: 'registers' });
    // The first answer comes after all: nobody waits for it.
    await made.fromVcpus(0, { kind: 'answer', vcpu: 0, serial: first?.serial ?? 0, answer: { kind: 'vmcs', vmcs: undefined } });
    await made.fromVcpus(0, { kind: 'answer', vcpu: 0, serial: second?.serial ?? 0, answer: { kind: 'registers', report } });
    expect(await registers).toEqual(report);
  });

  it('refuses to report on vCPUs that are not there, and on those that do not answer', async () => {
    const made = make();
    await made.run();
    for (const vcpu of [1, -1, Number.NaN])
      await expect(made.machine.report(vcpu)).rejects.toMatchObject({ code: 'vcpu-unknown' });
    const silent = expect(made.machine.report(0)).rejects.toMatchObject({ code: 'machine-not-answering' });
    await made.elapse();
    await silent;
    const cut = expect(made.machine.report(0)).rejects.toMatchObject({ code: 'connection-closed' });
    made.machine.stop('quit');
    await made.allEnd();
    await cut;
  });

  it('presses the power button only of a machine that runs', async () => {
    const made = make();
    made.machine.powerButton();
    expect(made.told).toEqual([]);
    await made.run();
    made.machine.powerButton();
    made.machine.continued();
    expect(made.told).toEqual(['boot', 'power-button', 'continued']);
  });

  it('hands on what is typed for the monitor, and quits on its key', async () => {
    const made = make();
    await made.run();
    await made.fromIo({ kind: 'monitor', bytes: Buffer.from('help\n'), entered: true });
    expect(made.monitor).toEqual(['help\n']);
    await made.fromIo({ kind: 'quit' });
    await made.allEnd();
    expect(await made.machine.ended).toEqual({ kind: 'stopped', why: 'quit' });
  });
});
