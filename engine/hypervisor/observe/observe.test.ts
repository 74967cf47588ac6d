import { describe, expect, it } from 'vitest';
import { KVMSTAT } from '../../base/index.ts';
import { createMachineMemory } from '../../memory/index.ts';
import { COUNTER, COUNTER_GROUPS, createObservation, PROBE, PROBES, type ProbeEvent } from './index.ts';

function machine(vcpus = 2) {
  const time = { ns: 0 };
  const options = { ramBytes: 2 ** 20, vcpus, arenaBytes: 8 * 2 ** 20, hostNow: () => time.ns } as const;
  const memory = createMachineMemory(options);
  memory.clock.start();
  // A second thread's view of the same memory: what one writes, the other reads.
  const other = createMachineMemory({ ...options, memory: memory.memory });
  const [here, there] = [createObservation(memory, FIELDS), createObservation(other, FIELDS)];
  // Somebody who wants everything.
  there.listeners.set(0, { mask: -1, times: false });
  return { time, memory, here, there };
}

const FIELDS = { guestCr3: 0x6802, exitReason: 0x4402 };

/** Records of one ring. */
const RING = 8192;

const texts = (events: readonly ProbeEvent[]) =>
  events.map(({ probe, vcpu, args }) => `${vcpu} ${probe.name} ${args.map((arg) => arg.toString(16)).join(' ')}`);

describe('counters', () => {
  it('have the names of kvmstat and kstat', () => {
    expect(Object.keys(KVMSTAT).join(' ')).toBe('exits haltx irqx irqwx iox mmiox irqs emul eptv');
    for (const counter of Object.values(KVMSTAT)) expect(COUNTER[counter]).toBeTypeOf('number');
    expect(COUNTER_GROUPS.map(({ name, counters }) => [name, Object.keys(counters).length])).toEqual([
      ['vcpu', 21],
      ['vm', 9],
      ['unknown', 3],
      ['jit', 27],
      ['disk', 7],
    ]);
    expect(new Set(Object.values(COUNTER)).size).toBe(67);
  });

  it('are counted for one vCPU, and seen by every thread', () => {
    const { here, there } = machine();
    here.counters.add(0, COUNTER.exits);
    here.counters.add(0, COUNTER.exits);
    here.counters.add(1, COUNTER['io-exits'], 40);
    here.counters.add(-1, COUNTER['mmu-cache-miss']);
    here.counters.add(1, COUNTER['mmu-cache-miss'], 4);
    const { counters } = there;
    expect([counters.of(0, COUNTER.exits), counters.of(1, COUNTER.exits)]).toEqual([2, 0]);
    expect([counters.of(0, COUNTER['io-exits']), counters.of(1, COUNTER['io-exits'])]).toEqual([0, 40]);
    expect(counters.total(COUNTER['mmu-cache-miss'])).toBe(5);
  });

  it('have an address for generated code', () => {
    const { here, memory } = machine();
    memory.dv.setFloat64(here.counters.address(1, COUNTER.exits), 7, true);
    expect(here.counters.of(1, COUNTER.exits)).toBe(7);
    expect(here.counters.of(0, COUNTER.exits)).toBe(0);
  });
});

describe('probes', () => {
  it('are off until enabled, each vCPU by itself', () => {
    const { here, there } = machine();
    expect(here.probes.on(0, PROBE.pio)).toBe(false);
    there.probes.enable(0, PROBE.pio.bit | PROBE.exit.bit);
    expect([here.probes.on(0, PROBE.pio), here.probes.on(0, PROBE.mmio), here.probes.on(1, PROBE.pio)]).toEqual([
      true,
      false,
      false,
    ]);
    there.probes.enable(-1, PROBE.pic.bit);
    expect([here.probes.on(-1, PROBE.pic), here.probes.on(0, PROBE.pic)]).toEqual([true, false]);
  });

  it('bring arguments of 64 bits with their time, in order', () => {
    const { here, there, time } = machine();
    const reader = there.probes.reader(1);
    time.ns = 1500;
    here.probes.fire(1, 'pio', { port: 0x3f8, size: 1, value: 0xffffffff, write: true });
    time.ns = 1600;
    here.probes.fire(1, 'page-fault', { gva: 0xffff_8000_0000_1234n, gpa: 2 ** 40 + 5, error: 6 });
    const { events, dropped } = reader.read(10);
    expect(texts(events)).toEqual(['1 pio 3f8 1 ffffffff 1', '1 page-fault ffff800000001234 10000000005 6']);
    expect(events.map((event) => event.time)).toEqual([1500, 1600]);
    expect(dropped).toBe(0);
    expect(reader.read(10).events).toEqual([]);
  });

  it('carry the VMCS fields asked for, and none where there is no VMCS', () => {
    const { here, there } = machine();
    const reader = there.probes.reader(0);
    there.probes.captureFields([0x6802, 0x4402]);
    here.probes.fire(0, 'hypercall', { number: 1, a0: 0, a1: 0, result: 0 });
    here.probes.fieldReader = (vcpu, encoding) => BigInt(vcpu * 0x10000 + encoding) << 8n;
    here.probes.fire(0, 'hypercall', { number: 2, a0: 0, a1: 0, result: 0 });
    expect(reader.read(10).events.map(({ fields }) => fields)).toEqual([[], [0x680200n, 0x440200n]]);
  });

  it('drop the oldest events of a slow reader, and count them exactly', () => {
    const { here, there } = machine();
    const slow = there.probes.reader(0);
    const beside = there.probes.reader(0);
    for (let port = 0; port < RING + 100; port++) {
      here.probes.fire(0, 'pio', { port, size: 1, value: 0, write: false });
      if (port % 1000 === 0) beside.read(RING);
    }
    const { events, dropped } = slow.read(2 * RING);
    expect([events.length, dropped, events[0]?.args[0]]).toEqual([RING, 100, 100n]);
    expect(beside.read(2 * RING).dropped).toBe(0);
  });

  it('never show a record that its writer was overwriting', () => {
    const { here, there, memory } = machine();
    const reader = there.probes.reader(0);
    here.probes.fire(0, 'pio', { port: 1, size: 1, value: 0, write: false });
    here.probes.fire(0, 'pio', { port: 2, size: 1, value: 0, write: false });
    // What a writer leaves for the time of its writing: an invalid sequence number.
    const ring = memory.arena.regions.find(({ name }) => name === 'probe-rings');
    memory.u32[(ring?.address ?? 0) >>> 2] = 0;
    expect(reader.read(10)).toMatchObject({ dropped: 1, events: [{ args: [2n, 1n, 0n, 0n] }] });
  });

  it('bear a memory full of nonsense', () => {
    const { there, memory } = machine();
    const reader = there.probes.reader(0);
    const { arena, u8, i32 } = memory;
    for (const { name, address, bytes } of arena.regions.filter((region) => region.name.startsWith('probe-'))) {
      for (let i = 0; i < bytes; i += 7) u8[address + i] = (i * 31 + name.length) & 0xff;
    }
    const positions = arena.regions.find(({ name }) => name === 'probe-positions')?.address ?? 0;
    for (const position of [5, -5, 2 ** 31 - 1, -(2 ** 31), 123456]) {
      i32[positions >>> 2] = position;
      const { events, dropped } = reader.read(3 * RING);
      expect(events.length).toBeLessThanOrEqual(RING);
      expect(dropped).toBeGreaterThanOrEqual(0);
      for (const { probe } of events) expect(PROBES).toContain(probe);
    }
  });

  it('write down only what somebody wants, and who it is', () => {
    const { here, there } = machine();
    const reader = there.probes.reader(0);
    here.probes.fieldReader = (_vcpu, encoding) => (encoding === FIELDS.guestCr3 ? 0x5000n : undefined);
    const exit = (reason: number, qualification = 0): void =>
      here.probes.fire(0, 'exit', { reason, qualification, rip: 0, info: 0 });
    there.listeners.set(0, { mask: PROBE.exit.bit, where: 'reason == CPUID', times: false });
    there.listeners.set(5, { mask: PROBE.exit.bit | PROBE.pio.bit, where: 'port == 0x80 || guestCr3 == 0x6000', times: false });
    exit(10);
    exit(12);
    exit(30, 0x80_0000);
    here.probes.fire(0, 'pio', { port: 0x80, size: 1, value: 0, write: true });
    here.probes.fire(0, 'pio', { port: 0x81, size: 1, value: 0, write: true });
    here.probes.fire(0, 'mmio', { gpa: 0x80, size: 1, value: 0, write: true });
    there.listeners.set(5, { mask: PROBE.exit.bit, where: 'guestCr3 == 0x5000', times: false });
    exit(10);
    there.listeners.clear(0);
    exit(10);
    expect(reader.read(10).events.map(({ probe, args, listeners }) => `${probe.name} ${args[0]} ${listeners}`)).toEqual([
      'exit 10 1',
      'exit 30 32',
      'pio 128 32',
      'exit 10 33',
      'exit 10 32',
    ]);
  });

  it('do not fire for what is read on behalf of a listener', () => {
    const { here, there } = machine();
    const reader = there.probes.reader(0);
    here.probes.fieldReader = (vcpu, field) => {
      here.probes.fire(vcpu, 'vmread', { field, value: 1 });
      return 1n;
    };
    there.listeners.set(0, { mask: -1, where: 'guestCr3 == 1', times: false });
    here.probes.fire(0, 'entry', { rip: 0, injection: 0, error: 0 });
    expect(reader.read(10).events.map(({ probe }) => probe.name)).toEqual(['entry']);
  });

  it('wake a waiting reader before a quarter of the ring is lost', async () => {
    const { here, there } = machine();
    const reader = there.probes.reader(0);
    const ready = reader.ready(10_000);
    for (let i = 0; i < RING / 4; i++) here.probes.fire(0, 'pio', { port: i, size: 1, value: 0, write: false });
    const start = performance.now();
    await ready;
    expect(performance.now() - start).toBeLessThan(5_000);
    expect(reader.read(RING).events.length).toBe(RING / 4);
  });
});

it('every probe has a bit and names for its arguments', () => {
  expect(new Set(PROBES.map(({ bit }) => bit)).size).toBe(PROBES.length);
  expect(PROBES.every(({ args }) => args.length > 0)).toBe(true);
});
