import { expect, test } from 'vitest';
import { chips } from './testing/chips.ts';

function ready(vcpus = 2) {
  const bench = chips(vcpus);
  bench.outb(0x21, 0xff); // the 8259 stays out of it
  for (let vcpu = 0; vcpu < vcpus; vcpu++) bench.apic(vcpu).write(0xf0, 0x1ff);
  const entry = (pin: number, low: number, destination = 0) => {
    bench.ioapicWrite(0x11 + pin * 2, destination << 24);
    bench.ioapicWrite(0x10 + pin * 2, low);
  };
  return { ...bench, entry };
}

test('registers: id, version, masked redirection entries', () => {
  const { ioapicRead, ioapicWrite, machine } = ready();
  expect([ioapicRead(0), ioapicRead(1), ioapicRead(0x10), ioapicRead(0x3f)]).toEqual([0, 0x0017_0011, 0x1_0000, 0]);
  ioapicWrite(0, 0xffff_ffff);
  expect([ioapicRead(0), ioapicRead(2)]).toEqual([0x0f00_0000, 0x0f00_0000]);
  ioapicWrite(0x10, 0xffff_ffff);
  ioapicWrite(0x11, 0xffff_ffff);
  expect([ioapicRead(0x10), ioapicRead(0x11)]).toEqual([0x0001_afff, 0xff00_0000]);
  expect(ioapicRead(0x40)).toBe(0xffffffff);
  expect(machine.bus.mmioRead(0, 0xfec0_0000, 4)).toBe(0x40);
});

test('an edge is delivered once per rise to the physical destination', () => {
  const { irqchip, entry, signalled } = ready();
  entry(4, 0x44, 1);
  irqchip.routes.setLine(4, true, 0);
  irqchip.routes.setLine(4, true, 1);
  expect([signalled(0) & 1, signalled(1) & 1]).toEqual([0, 1]);
  expect(irqchip.acknowledge(1)).toBe(0x44);
  irqchip.lapics.of(1).endOfInterrupt();
  expect(irqchip.pending(1)).toBe(false);
  irqchip.routes.setLine(4, false, 0);
  irqchip.routes.setLine(4, false, 1);
  irqchip.routes.setLine(4, true, 0);
  expect(irqchip.acknowledge(1)).toBe(0x44);
});

test('a level sets remote IRR, is held back until the EOI and comes again while held', () => {
  const { irqchip, entry, ioapicRead } = ready();
  entry(17, 0x8051);
  irqchip.routes.setLine(17, true, 0);
  expect(ioapicRead(0x10 + 34)).toBe(0xc051);
  expect(irqchip.acknowledge(0)).toBe(0x51);
  irqchip.routes.setLine(17, false, 0);
  irqchip.routes.setLine(17, true, 0);
  expect(irqchip.pending(0)).toBe(false);
  irqchip.lapics.of(0).endOfInterrupt();
  expect(irqchip.acknowledge(0)).toBe(0x51);
  irqchip.routes.setLine(17, false, 0);
  irqchip.lapics.of(0).endOfInterrupt();
  expect([irqchip.pending(0), ioapicRead(0x10 + 34)]).toEqual([false, 0x8051]);
});

test('a masked edge is lost, a masked level waits', () => {
  const { irqchip, entry } = ready();
  entry(5, 0x1_0045);
  entry(18, 0x1_8052);
  irqchip.routes.setLine(5, true, 0);
  irqchip.routes.setLine(18, true, 0);
  entry(5, 0x45);
  expect(irqchip.pending(0)).toBe(false);
  entry(18, 0x8052);
  expect(irqchip.acknowledge(0)).toBe(0x52);
});

test('an edge entry drops remote IRR, as software clears it on old chips', () => {
  const { irqchip, entry, ioapicRead } = ready();
  entry(17, 0x8051);
  irqchip.routes.setLine(17, true, 0);
  entry(17, 0x0051);
  expect(ioapicRead(0x10 + 34)).toBe(0x0051);
});

test('a level that nobody accepts keeps no remote IRR', () => {
  const { irqchip, entry, ioapicRead } = ready();
  entry(17, 0x8051, 9);
  irqchip.routes.setLine(17, true, 0);
  expect(ioapicRead(0x10 + 34)).toBe(0x8051);
});

test.each([
  ['NMI', 0x400, 2],
  ['INIT', 0x500, 4],
])('an entry with delivery mode %s raises that request', (_name, mode, bit) => {
  const { irqchip, entry, signalled } = ready();
  entry(3, mode | 0x43, 1);
  irqchip.routes.setLine(3, true, 0);
  expect(signalled(1)).toBe(bit);
});

test('GSI 0 is the PIT on pin 2 and 8259 line 0; GSI 2 leads nowhere; routes can be replaced', () => {
  const { irqchip, entry } = ready();
  entry(2, 0x42);
  irqchip.routes.setLine(2, true, 0);
  expect(irqchip.pending(0)).toBe(false);
  irqchip.routes.setLine(0, false, 31);
  irqchip.routes.setLine(0, true, 0);
  expect(irqchip.lapics.of(0).acknowledge()).toBe(0x42);
  expect(irqchip.routes.get(0)).toEqual({ gsi: 0, pic: 0, ioapic: 2 });
  irqchip.routes.set([{ gsi: 30, msi: { address: 0xfee0_1000n, data: 0x66 } }]);
  irqchip.pulse(30);
  expect(irqchip.acknowledge(1)).toBe(0x66);
  expect(irqchip.routes.get(30)).toEqual({ gsi: 30, msi: { address: 0xfee0_1000n, data: 0x66 } });
  for (const route of [
    { gsi: 64 },
    { gsi: 1, pic: 16 },
    { gsi: 1, ioapic: 24 },
    { gsi: 1, pic: 1, msi: { address: 0n, data: 0 } },
  ]) {
    expect(() => irqchip.routes.set([{ gsi: 5 }, route])).toThrow(expect.objectContaining({ code: 'route-invalid' }));
  }
  expect(irqchip.routes.get(5)).toEqual({ gsi: 5, pic: 5, ioapic: 5 });
});

test('messages: destination, redirection to the least busy, what is no interrupt address', () => {
  const { irqchip, apic } = ready();
  expect(irqchip.sendMsi(0xfee0_1000n, 0x71)).toBe(true);
  expect(irqchip.acknowledge(1)).toBe(0x71);
  apic(0).write(0xd0, 1 << 24);
  apic(1).write(0xd0, 2 << 24);
  expect(irqchip.sendMsi(0xfee0_300cn, 0x62)).toBe(true);
  expect([irqchip.acknowledge(0), irqchip.acknowledge(1)]).toEqual([0x62, -1]);
  expect([
    irqchip.sendMsi(0xfed0_0000n, 0x62),
    irqchip.sendMsi(0x1_fee0_0000n, 0x62),
    irqchip.sendMsi(0xfee0_9000n, 0x62),
  ]).toEqual([false, false, false]);
});
