import { expect, test } from 'vitest';
import { createMachineMemory } from './index.ts';

type Log = string[];
const at = (log: Log, name: string) => ({
  name,
  read: (offset: number, size: number, vcpu: number) => {
    log.push(`${name} r${size}@${offset} v${vcpu}`);
    return 0x1122_3344;
  },
  write: (offset: number, size: number, value: number) => void log.push(`${name} w${size}@${offset}=${value.toString(16)}`),
});

function fresh() {
  const options = { ramBytes: 2 ** 20, vcpus: 1, arenaBytes: 2 ** 20 };
  const machine = createMachineMemory(options);
  return { bus: machine.bus, second: () => createMachineMemory({ ...options, memory: machine.memory }).bus };
}

test('an access reaches the region at its address with offset, size and vCPU', () => {
  const { bus } = fresh();
  const log: Log = [];
  bus.addMmio({ gpa: 0xfee0_0000, size: 4096, ...at(log, 'apic') });
  bus.addPorts({ port: 0x3f8, count: 8, ...at(log, 'uart') });
  expect(bus.mmioRead(3, 0xfee0_0020, 4)).toBe(0x1122_3344);
  expect(bus.portRead(1, 0x3ff, 1)).toBe(0x44);
  bus.portWrite(0, 0x3f8, 2, 0x1_2345);
  expect(log).toEqual(['apic r4@32 v3', 'uart r1@7 v1', 'uart w2@0=2345']);
});

test('an access wider than the chip is split low first', () => {
  const { bus } = fresh();
  const log: Log = [];
  bus.addPorts({ port: 0x40, count: 8, widest: 1, ...at(log, 'pit') });
  bus.addMmio({ gpa: 0x1000, size: 8, widest: 2, ...at(log, 'half') });
  expect(bus.portRead(0, 0x42, 4)).toBe(0x4444_4444);
  bus.portWrite(0, 0x41, 2, 0xbeef);
  bus.mmioWrite(0, 0x1004, 4, 0xdead_beef);
  expect(bus.mmioRead(0, 0x1000, 4)).toBe(0x3344_3344);
  expect(log.slice(4)).toEqual([
    'pit w1@1=ef',
    'pit w1@2=be',
    'half w2@4=beef',
    'half w2@6=dead',
    'half r2@0 v0',
    'half r2@2 v0',
  ]);
});

test('an access across regions is split into bytes, and holes read as ones', () => {
  const { bus } = fresh();
  const log: Log = [];
  bus.addPorts({ port: 0xcf8, count: 2, ...at(log, 'a') });
  bus.addPorts({ port: 0xcfa, count: 1, ...at(log, 'b') });
  expect(bus.portRead(0, 0xcf8, 4)).toBe(0xff44_4444);
  bus.portWrite(0, 0xcf9, 4, 0x0403_0201);
  expect(log).toEqual(['a r1@0 v0', 'a r1@1 v0', 'b r1@0 v0', 'a w1@1=1', 'b w1@0=2']);
  expect(bus.counters).toEqual({ unclaimedReads: 1, unclaimedWrites: 2 });
  expect([bus.portRead(0, 0x1234, 1), bus.portRead(0, 0x1234, 4), bus.mmioRead(0, 0xdead_0000, 2)]).toEqual([
    0xff, 0xffffffff, 0xffff,
  ]);
  expect(bus.portRead(0, 0xffff, 2)).toBe(0xffff);
});

test('the region added first wins where two overlap', () => {
  const { bus } = fresh();
  const log: Log = [];
  bus.addPorts({ port: 0xcf9, count: 1, ...at(log, 'reset') });
  bus.addPorts({ port: 0xcf8, count: 8, ...at(log, 'pci') });
  bus.portWrite(0, 0xcf9, 1, 6);
  bus.portRead(0, 0xcf8, 1);
  bus.portWrite(0, 0xcfc, 4, 1);
  expect(log).toEqual(['reset w1@0=6', 'pci r1@0 v0', 'pci w4@4=1']);
});

test('moving a region in one thread moves it in all', () => {
  const { bus, second } = fresh();
  const log: Log = [];
  const bar = bus.addMmio({ gpa: 0, size: 256, enabled: false, ...at(log, 'bar') });
  const other = second();
  const seen = other.addMmio({ gpa: 0, size: 256, enabled: false, ...at(log, 'same') });
  expect([bus.mmioRead(0, 0, 1), other.mmioRead(0, 0, 1)]).toEqual([0xff, 0xff]);
  bar.move(0xfeb0_0000);
  bar.enable(true);
  expect([seen.address, seen.enabled]).toEqual([0xfeb0_0000, true]);
  expect(other.mmioRead(0, 0xfeb0_0004, 4)).toBe(0x1122_3344);
  seen.enable(false);
  expect(bus.mmioRead(0, 0xfeb0_0004, 4)).toBe(0xffffffff);
  expect(bus.regions()).toEqual([{ kind: 'mmio', name: 'bar', address: 0xfeb0_0000, size: 256, enabled: false }]);
});
