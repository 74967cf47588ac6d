import { describe, expect, it } from 'vitest';
import { argumentTexts, createObservation, PROBE, type ProbeName } from '../hypervisor/index.ts';
import { createMachineMemory } from '../memory/index.ts';
import { type TraceOptions, Tracer } from './tracer.ts';

const ALL: readonly ProbeName[] = Object.keys(PROBE) as ProbeName[];
const FIELDS = { guestRip: 0x681e, guestCr3: 0x6802 };

/** A tracer over a machine whose vCPUs are this test; the host's timers are real. */
function make({ probes = ALL, vcpus = 2 }: { probes?: readonly ProbeName[]; vcpus?: number } = {}) {
  const time = { ns: 0 };
  const memory = createMachineMemory({ ramBytes: 2 ** 20, vcpus, arenaBytes: 8 * 2 ** 20, hostNow: () => time.ns });
  memory.clock.start();
  const observation = createObservation(memory, FIELDS);
  const leases: (() => void)[] = [];
  const tracer = new Tracer({
    observation,
    vcpus,
    capabilities: { backend: probes === ALL ? 'software' : 'bare', probes, vmcsFields: probes === ALL ? FIELDS : {} },
    after: (milliseconds, callback) => {
      if (milliseconds > 1000) {
        leases.push(callback);
        return () => leases.splice(leases.indexOf(callback), 1);
      }
      const timer = setTimeout(callback, milliseconds);
      return () => clearTimeout(timer);
    },
  });
  const start = (options: Partial<TraceOptions> = {}) => tracer.start({ fields: [], histogram: false, ...options });
  const exit = (vcpu: number, reason: number, qualification: number | bigint = 0) => {
    if (observation.probes.on(vcpu, PROBE.exit)) {
      observation.probes.fire(vcpu, 'exit', { reason, qualification, rip: 0x1000, info: 0 });
    }
  };
  const entry = (vcpu: number) => {
    if (observation.probes.on(vcpu, PROBE.entry)) observation.probes.fire(vcpu, 'entry', { rip: 0, injection: 0, error: 0 });
  };
  const seen = async (trace: number) => {
    const { events, dropped } = await tracer.fetch(trace, 1000, 0);
    expect(dropped).toBe(0);
    return events.map(({ event }) => `${event.vcpu} ${event.probe.name} ${JSON.stringify(argumentTexts(event))}`);
  };
  return { time, observation, probes: observation.probes, tracer, leases, start, exit, entry, seen };
}

/** OUT 3F8h, one byte. */
const OUT_3F8 = (0x3f8 << 16) | 0x40;

describe('a trace', () => {
  it('brings events of the probes asked for, and turns probes off when it ends', async () => {
    const made = make();
    const trace = made.start({ probes: ['exit', 'pic'] });
    made.exit(1, 30, OUT_3F8);
    made.entry(1);
    if (made.probes.on(-1, PROBE.pic)) made.probes.fire(-1, 'pic', { line: 4, level: true });
    expect(await made.seen(trace)).toEqual([
      '1 exit {"reason":"IO_INSTRUCTION","qualification":"0x3f80040","rip":"0x1000","info":"0x0","port":"0x3f8","size":"0x1","write":"0x1"}',
      '-1 pic {"line":"0x4","level":"0x1"}',
    ]);
    made.tracer.stop(trace);
    made.tracer.stop(trace);
    expect([made.probes.on(0, PROBE.exit), made.probes.on(-1, PROBE.pic)]).toEqual([false, false]);
    await expect(made.tracer.fetch(trace, 1, 0)).rejects.toMatchObject({ code: 'trace-unknown' });
  });

  it.each([
    ['reason == IO_INSTRUCTION && port == 0x3f8', ['0 exit']],
    // `port` names the same in both probes: an exit and the access it caused are found by one name.
    ['reason == CPUID', ['1 exit']],
    ['port == 0x3f8', ['0 exit', '0 pio', '0 pio']],
    ['vcpu == 1 || probe_of_nothing == 0', 'there is no probe_of_nothing'],
    ['reason ==', 'it ends too early'],
    ['cr == 3 && write', ['0 exit']],
    ['guestRip == 0xffffffff81000000', ['1 exit']],
  ])('chooses events by %s', async (where, expected) => {
    const made = make();
    made.probes.fieldReader = (vcpu) => (vcpu === 1 ? 0xffff_ffff_8100_0000n : 5n);
    const given = { probes: ['exit', 'pio'], where };
    if (typeof expected === 'string') {
      expect(() => made.start(given)).toThrow(expect.objectContaining({ code: 'trace-where' }));
      expect(() => made.start(given)).toThrow(expected);
      expect(made.probes.on(0, PROBE.exit)).toBe(false);
      return;
    }
    const trace = made.start(given);
    made.exit(0, 30, OUT_3F8);
    made.probes.fire(0, 'pio', { port: 0x3f8, size: 1, value: 7, write: 1 });
    made.probes.fire(0, 'pio', { port: 0x3f8, size: 1, value: 8, write: 0 });
    made.exit(1, 10);
    made.exit(0, 28, 0x003);
    expect((await made.seen(trace)).map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual(expected);
  });

  it('brings VMCS fields as they were when the probe fired', async () => {
    const made = make();
    let rip = 0x1234n;
    made.probes.fieldReader = (_vcpu, encoding) => (encoding === FIELDS.guestRip ? rip : undefined);
    const trace = made.start({ fields: ['guestRip'] });
    made.exit(0, 10);
    rip = 0x5678n;
    made.exit(0, 10);
    const { events } = await made.tracer.fetch(trace, 10, 0);
    expect(events.map(({ fields }) => fields)).toEqual([{ guestRip: 0x1234n }, { guestRip: 0x5678n }]);
  });

  it('says what a back end does not have, and what there is at all', () => {
    const bare = make({ probes: ['pio', 'mmio'] });
    expect(() => bare.start({ probes: ['exit'] })).toThrow(
      /does not have the probe exit; it has pio, mmio, and --accel software/,
    );
    expect(() => bare.start({ probes: ['exits'] })).toThrow(/no probe exits; name some of entry, exit, pio/);
    expect(() => bare.start({ histogram: true })).toThrow(expect.objectContaining({ code: 'probe-missing' }));
    expect(() => bare.start({ fields: ['guestRip'] })).toThrow(expect.objectContaining({ code: 'trace-field' }));
    expect(() => make().start({ fields: ['toString'] })).toThrow(expect.objectContaining({ code: 'trace-field' }));
    expect(() => bare.start({ vcpu: 2 })).toThrow(expect.objectContaining({ code: 'vcpu-unknown' }));
    bare.start();
    expect([bare.probes.on(0, PROBE.pio), bare.probes.on(0, PROBE.mmio)]).toEqual([true, true]);
    bare.tracer.close();
  });

  it('stands beside others, each with its own probes, and not beside too many', async () => {
    const made = make();
    const first = made.start({ probes: ['exit'], vcpu: 0 });
    const second = made.start({ probes: ['entry'] });
    made.exit(0, 10);
    made.exit(1, 10);
    made.entry(0);
    expect((await made.seen(first)).length).toBe(1);
    expect((await made.seen(second)).map((line) => line.slice(0, 7))).toEqual(['0 entry']);
    for (let i = 2; i < 8; i++) made.start();
    expect(() => made.start()).toThrow(expect.objectContaining({ code: 'trace-limit' }));
    made.tracer.close();
    expect(made.probes.on(1, PROBE.exit)).toBe(false);
  });

  it('ends by itself when nobody fetches any more', () => {
    const made = make();
    made.start();
    expect(made.probes.on(0, PROBE.exit)).toBe(true);
    for (const lapse of [...made.leases]) lapse();
    expect(made.probes.on(0, PROBE.exit)).toBe(false);
  });

  it('counts what it lost', async () => {
    const made = make();
    const trace = made.start({ vcpu: 0 });
    for (let i = 0; i < 8192 + 5; i++) made.exit(0, 10);
    const { events, dropped } = await made.tracer.fetch(trace, 10_000, 0);
    expect([events.length, dropped]).toEqual([8192, 5]);
    made.tracer.close();
  });
});

describe('histograms', () => {
  it('hold the time in the guest, in handlers, and of a halted vCPU', async () => {
    const made = make();
    const trace = made.start({ histogram: true });
    const round = (guest: number, reason: number, handler: number) => {
      made.time.ns += guest;
      made.exit(0, reason);
      made.time.ns += handler;
      made.entry(0);
    };
    made.entry(0);
    for (let i = 0; i < 5; i++) round(1000, 30, 300);
    round(5000, 10, 100);
    round(70_000, 12, 2 ** 20);
    const { times } = await made.tracer.fetch(trace, 10, 0);
    const [vcpu] = times ?? [];
    const filled = (counts: readonly number[] = []) => counts.flatMap((count, power) => (count > 0 ? [[power, count]] : []));
    expect(filled(vcpu?.guest.counts)).toEqual([
      [9, 5],
      [12, 1],
      [16, 1],
    ]);
    expect(filled(vcpu?.handlers.counts)).toEqual([
      [6, 1],
      [8, 5],
    ]);
    expect(filled(vcpu?.halted.counts)).toEqual([[20, 1]]);
    expect(vcpu?.guest.nanoseconds).toBe(80_000);
    expect(vcpu?.reasons).toEqual([
      { reason: 'CPUID', count: 1, nanoseconds: 100 },
      { reason: 'HLT', count: 1, nanoseconds: 2 ** 20 },
      { reason: 'IO_INSTRUCTION', count: 5, nanoseconds: 1500 },
    ]);
    made.tracer.close();
  });

  it('count only the exits that were chosen', async () => {
    const made = make();
    const trace = made.start({ histogram: true, where: 'reason == CPUID' });
    for (const reason of [10, 30, 10]) {
      made.entry(1);
      made.time.ns += 50;
      made.exit(1, reason);
      made.time.ns += 7;
    }
    made.entry(1);
    const { times } = await made.tracer.fetch(trace, 10, 0);
    expect(times).toMatchObject([
      { vcpu: 0, guest: { nanoseconds: 0 }, reasons: [] },
      { vcpu: 1, guest: { nanoseconds: 100 }, handlers: { nanoseconds: 14 }, reasons: [{ reason: 'CPUID', count: 2 }] },
    ]);
    made.tracer.close();
  });
});
