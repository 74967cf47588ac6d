import { describe, expect, test } from 'vitest';
import { REG } from './lapic-state.ts';
import { type Chips, chips } from './testing/chips.ts';

const [INTERRUPT, NMI, INIT, SIPI] = [1, 2, 4, 8];

function enabled(vcpus = 2): Chips {
  const bench = chips(vcpus);
  bench.outb(0x21, 0xff);
  for (let vcpu = 0; vcpu < vcpus; vcpu++) {
    bench.apic(vcpu).write(REG.svr, 0x1ff);
    bench.signalled(vcpu);
  }
  return bench;
}

/** All into x2APIC mode. */
function x2(vcpus = 2): Chips {
  const bench = enabled(vcpus);
  for (let vcpu = 0; vcpu < vcpus; vcpu++) bench.irqchip.lapics.writeMsr(vcpu, 0x1b, 0xfee0_0c00n | (vcpu === 0 ? 0x100n : 0n));
  return bench;
}

describe('registers', () => {
  test('power-on values (SDM 10.4.7.1)', () => {
    const { apic, irqchip } = chips(2);
    const at = (register: number) => apic(1).read(register);
    expect([at(REG.id), at(REG.version), at(REG.tpr), at(REG.dfr), at(REG.svr), at(REG.lvtTimer), at(REG.lvt0)]).toEqual([
      0x0100_0000, 0x0005_0014, 0, 0xffffffff, 0xff, 0x1_0000, 0x1_0000,
    ]);
    expect([irqchip.lapics.readMsr(0, 0x1b), irqchip.lapics.readMsr(1, 0x1b)]).toEqual([0xfee0_0900n, 0xfee0_0800n]);
    expect(apic(0).read(REG.lvt0)).toBe(0x700); // virtual wire on the first processor
  });

  test('reserved bits stay clear and LVT entries stay masked while the APIC is disabled by software', () => {
    const { apic } = chips(1);
    const a = apic(0);
    a.write(REG.lvtTimer, 0xffff_ffff);
    expect(a.read(REG.lvtTimer)).toBe(0x7_00ff);
    a.write(REG.lvtError, 0x55);
    expect(a.read(REG.lvtError)).toBe(0x1_0055);
    a.write(REG.svr, 0xffff_ffff);
    a.write(REG.lvtError, 0x55);
    expect([a.read(REG.svr), a.read(REG.lvtError)]).toEqual([0x3ff, 0x55]);
    a.write(REG.svr, 0xff);
    expect(a.read(REG.lvtError)).toBe(0x1_0055);
  });

  test('narrow reads see their bytes; narrow and misaligned writes do nothing', () => {
    const { irqchip, apic } = enabled(1);
    const { lapics } = irqchip;
    apic(0).write(REG.svr, 0x1a5);
    expect([lapics.mmioRead(0, 0xfee0_00f0, 1), lapics.mmioRead(0, 0xfee0_00f1, 1), lapics.mmioRead(0, 0xfee0_00f4, 4)]).toEqual([
      0xa5, 1, 0,
    ]);
    lapics.mmioWrite(0, 0xfee0_0080, 1, 0x55);
    lapics.mmioWrite(0, 0xfee0_0084, 4, 0x55);
    expect(apic(0).read(REG.tpr)).toBe(0);
  });

  test('a register that is not there is an error, shown after the error register is written', () => {
    const { apic, irqchip } = enabled(1);
    apic(0).write(REG.lvtError, 0x77);
    apic(0).read(0x40);
    expect(apic(0).read(REG.esr)).toBe(0);
    apic(0).write(REG.esr, 0);
    expect(apic(0).read(REG.esr)).toBe(0x80);
    expect(irqchip.acknowledge(0)).toBe(0x77);
    apic(0).write(REG.esr, 0);
    expect(apic(0).read(REG.esr)).toBe(0);
  });
});

describe('priorities', () => {
  test.each([
    // requested, task priority, in service, delivered
    [[0x31], 0x00, -1, 0x31],
    [[0x31, 0x45], 0x00, -1, 0x45],
    [[0x31], 0x20, -1, 0x31],
    [[0x3f], 0x30, -1, -1],
    [[0x41], 0x3f, -1, 0x41],
    [[0x4f], 0x00, 0x41, -1],
    [[0x51], 0x00, 0x41, 0x51],
    [[0x51], 0x60, 0x41, -1],
    [[0xff], 0xe0, -1, 0xff],
  ])('requests %j under task priority %i and service %i give %i', (requests, tpr, service, vector) => {
    const { irqchip, apic } = enabled(1);
    const lapic = irqchip.lapics.of(0);
    if (service >= 0) {
      lapic.accept(service, false);
      irqchip.acknowledge(0);
    }
    apic(0).write(REG.tpr, tpr);
    for (const request of requests) lapic.accept(request, false);
    expect(irqchip.pending(0)).toBe(vector >= 0);
    expect(irqchip.acknowledge(0)).toBe(vector);
    expect(apic(0).read(REG.ppr)).toBe(
      Math.max(tpr & 0xf0, Math.max(vector, service, 0) & 0xf0) === (tpr & 0xf0) ? tpr : Math.max(vector, service) & 0xf0,
    );
  });

  test('EOI ends the highest in service and lets the next in, with a new signal', () => {
    const { irqchip, apic, signalled } = enabled(1);
    const lapic = irqchip.lapics.of(0);
    lapic.accept(0x41, false);
    expect(irqchip.acknowledge(0)).toBe(0x41);
    lapic.accept(0x42, false);
    signalled(0);
    apic(0).write(REG.eoi, 0);
    expect(signalled(0)).toBe(INTERRUPT);
    expect(irqchip.acknowledge(0)).toBe(0x42);
    apic(0).write(REG.eoi, 0);
    expect([apic(0).read(REG.isr + 0x20), apic(0).read(REG.irr + 0x20)]).toEqual([0, 0]);
  });

  test('lowering the task priority signals what waited; CR8 is bits 7:4', () => {
    const { irqchip, apic, signalled } = enabled(1);
    irqchip.setTpr(0, 15);
    expect([irqchip.getTpr(0), apic(0).read(REG.tpr)]).toEqual([15, 0xf0]);
    irqchip.lapics.of(0).accept(0x90, false);
    signalled(0);
    irqchip.setTpr(0, 9);
    expect(signalled(0)).toBe(0);
    irqchip.setTpr(0, 8);
    expect([signalled(0), irqchip.acknowledge(0)]).toEqual([INTERRUPT, 0x90]);
  });

  test('a vector below 16 is an error, not an interrupt', () => {
    const { irqchip, apic } = enabled(1);
    irqchip.sendMsi(0xfee0_0000n, 0x0f);
    expect(irqchip.pending(0)).toBe(false);
    apic(0).write(REG.esr, 0);
    expect(apic(0).read(REG.esr)).toBe(0x40);
  });
});

describe('inter-processor interrupts', () => {
  test.each([
    // low half of ICR, high half, signals of vCPUs 0 to 3
    ['fixed, physical', 0x0_0041, 2 << 24, [0, 0, INTERRUPT, 0]],
    ['fixed, broadcast', 0x0_0041, 0xff << 24, [INTERRUPT, INTERRUPT, INTERRUPT, INTERRUPT]],
    ['fixed, self', 0x4_0041, 0, [INTERRUPT, 0, 0, 0]],
    ['fixed, all', 0x8_0041, 0, [INTERRUPT, INTERRUPT, INTERRUPT, INTERRUPT]],
    ['fixed, others', 0xc_0041, 0, [0, INTERRUPT, INTERRUPT, INTERRUPT]],
    ['fixed, logical flat', 0x0_0841, 0x0a << 24, [0, INTERRUPT, 0, INTERRUPT]],
    ['lowest priority, logical', 0x0_0941, 0x06 << 24, [0, INTERRUPT, 0, 0]],
    ['NMI', 0x0_0400, 1 << 24, [0, NMI, 0, 0]],
    ['INIT to others', 0xc_4500, 0, [0, INIT, INIT, INIT]],
    ['INIT de-assert', 0x8_8500, 0, [0, 0, 0, 0]],
    ['start-up', 0x0_0608, 3 << 24, [0, 0, 0, SIPI]],
    ['nobody there', 0x0_0041, 9 << 24, [0, 0, 0, 0]],
    ['reserved mode', 0x0_0341, 1 << 24, [0, 0, 0, 0]],
  ])('%s', (_name, low, high, signals) => {
    const { apic, signalled, irqchip } = enabled(4);
    for (let vcpu = 0; vcpu < 4; vcpu++) apic(vcpu).write(REG.ldr, (1 << vcpu) << 24);
    apic(0).write(REG.icr2, high);
    apic(0).write(REG.icr, low);
    expect([0, 1, 2, 3].map(signalled)).toEqual(signals);
    expect(apic(0).read(REG.icr)).toBe(low);
    if (signals[3] === SIPI) expect(irqchip.lapics.of(3).state.sipiVector).toBe(8);
  });

  test('cluster destinations: high nibble names the cluster, low nibble its members', () => {
    const { apic, signalled } = enabled(4);
    for (const [vcpu, ldr] of [0x11, 0x12, 0x21, 0x22].entries()) {
      apic(vcpu).write(REG.dfr, 0x0fff_ffff);
      apic(vcpu).write(REG.ldr, ldr << 24);
    }
    apic(0).write(REG.icr2, 0x23 << 24);
    apic(0).write(REG.icr, 0x841);
    expect([0, 1, 2, 3].map(signalled)).toEqual([0, 0, INTERRUPT, INTERRUPT]);
  });

  test('lowest priority takes the least busy, and turns among equals', () => {
    const { apic, irqchip } = enabled(2);
    apic(0).write(REG.ldr, 1 << 24);
    apic(1).write(REG.ldr, 2 << 24);
    const send = (vector: number) => {
      apic(0).write(REG.icr2, 3 << 24);
      apic(0).write(REG.icr, 0x900 | vector);
      return irqchip.acknowledge(0) === vector ? 0 : irqchip.acknowledge(1) === vector ? 1 : -1;
    };
    apic(0).write(REG.tpr, 0x20);
    expect(send(0x41)).toBe(1);
    apic(1).write(REG.eoi, 0);
    apic(0).write(REG.tpr, 0);
    expect([send(0x42), send(0x43)]).toEqual([0, 1]);
  });

  test('a vector below 16 is a send error', () => {
    const { apic, signalled } = enabled(2);
    apic(0).write(REG.icr, 0x8_000f);
    apic(0).write(REG.esr, 0);
    expect([apic(0).read(REG.esr), signalled(1)]).toEqual([0x20, 0]);
  });

  test('a software-disabled APIC takes INIT, NMI and start-up but no fixed interrupts', () => {
    const { apic, signalled, irqchip } = chips(2);
    apic(0).write(REG.svr, 0x1ff);
    apic(0).write(REG.icr, 0xc_0041);
    apic(0).write(REG.icr, 0xc_4500);
    apic(0).write(REG.icr, 0xc_0612);
    expect([signalled(1), irqchip.lapics.of(1).state.sipiVector]).toEqual([INIT | SIPI, 0x12]);
  });
});

describe('timer', () => {
  test('one-shot counts down by the divider and fires once', () => {
    const { apic, advance, irqchip } = enabled(1);
    const a = apic(0);
    a.write(REG.divide, 0x3); // by 16
    a.write(REG.lvtTimer, 0x50);
    a.write(REG.initialCount, 1000);
    advance(8000);
    expect(a.read(REG.currentCount)).toBe(500);
    advance(7999);
    expect(irqchip.pending(0)).toBe(false);
    advance(1);
    expect([irqchip.acknowledge(0), a.read(REG.currentCount)]).toEqual([0x50, 0]);
    a.write(REG.eoi, 0);
    advance(1e9);
    expect(irqchip.pending(0)).toBe(false);
  });

  test.each([
    [0x0, 2],
    [0x1, 4],
    [0x2, 8],
    [0x3, 16],
    [0x8, 32],
    [0x9, 64],
    [0xa, 128],
    [0xb, 1],
  ])('divide configuration %i divides by %i', (code, divisor) => {
    const { apic, time } = enabled(1);
    apic(0).write(REG.divide, code);
    apic(0).write(REG.initialCount, 1_000_000);
    time.ns += 1000 * divisor;
    expect(apic(0).read(REG.currentCount)).toBe(999_000);
  });

  test('periodic goes on at its period; missed ticks are one', () => {
    const { apic, advance, irqchip } = enabled(1);
    const a = apic(0);
    a.write(REG.divide, 0xb);
    a.write(REG.lvtTimer, 0x2_0050);
    a.write(REG.initialCount, 1_000_000);
    const fired = [1e6, 1e6, 0.5e6, 0.5e6, 5.25e6, 0.5e6, 0.25e6].map((ns) => {
      advance(ns);
      const vector = irqchip.acknowledge(0);
      a.write(REG.eoi, 0);
      return vector;
    });
    expect(fired).toEqual([0x50, 0x50, -1, 0x50, 0x50, -1, 0x50]);
    a.write(REG.initialCount, 0);
    advance(1e9);
    expect([irqchip.pending(0), a.read(REG.currentCount)]).toEqual([false, 0]);
  });

  test('what is overdue and not served yet happens before the mode changes', () => {
    const { apic, time, irqchip } = enabled(1);
    const a = apic(0);
    a.write(REG.divide, 0xb);
    a.write(REG.lvtTimer, 0x50);
    a.write(REG.initialCount, 1000);
    time.ns += 1500;
    a.write(REG.lvtTimer, 0x2_0051);
    expect([a.read(REG.currentCount), irqchip.acknowledge(0)]).toEqual([0, 0x50]);
  });

  test('a masked timer counts and does not interrupt', () => {
    const { apic, advance, irqchip } = enabled(1);
    apic(0).write(REG.divide, 0xb);
    apic(0).write(REG.lvtTimer, 0x1_0050);
    apic(0).write(REG.initialCount, 100);
    advance(101);
    expect(irqchip.pending(0)).toBe(false);
  });

  test('TSC deadline fires when the guest counter reaches it, and clears itself', () => {
    const { apic, advance, irqchip, tsc } = enabled(1);
    const { lapics } = irqchip;
    lapics.writeMsr(0, 0x6e0, 5000n);
    expect(lapics.readMsr(0, 0x6e0)).toBe(0n); // not in this mode
    apic(0).write(REG.lvtTimer, 0x4_0050);
    tsc.offset = 1000n;
    lapics.writeMsr(0, 0x6e0, 5000n); // 4000 counts at 2 GHz
    expect(lapics.readMsr(0, 0x6e0)).toBe(5000n);
    apic(0).write(REG.initialCount, 5);
    expect(apic(0).read(REG.currentCount)).toBe(0);
    advance(1999);
    expect(irqchip.pending(0)).toBe(false);
    advance(1);
    expect([irqchip.acknowledge(0), lapics.readMsr(0, 0x6e0)]).toEqual([0x50, 0n]);
    lapics.writeMsr(0, 0x6e0, 1n); // long past: at once
    apic(0).write(REG.eoi, 0);
    expect(irqchip.acknowledge(0)).toBe(0x50);
    lapics.writeMsr(0, 0x6e0, 1n << 40n);
    apic(0).write(REG.lvtTimer, 0x50);
    apic(0).write(REG.lvtTimer, 0x4_0050);
    expect(lapics.readMsr(0, 0x6e0)).toBe(0n); // changing mode disarms
  });
});

test('a TSC deadline moves with the guest counter, both ways, and only when one is armed', () => {
  const { apic, advance, irqchip, tsc } = enabled(1);
  const { timer } = irqchip.lapics.of(0);
  const move = (offset: bigint) => {
    tsc.offset = offset;
    timer.counterMoved();
  };
  apic(0).write(REG.lvtTimer, 0x4_0050);
  move(0n);
  irqchip.lapics.writeMsr(0, 0x6e0, 10_000n); // 5000 ns at 2 GHz
  move(8000n);
  advance(999);
  expect(irqchip.pending(0)).toBe(false);
  move(6000n);
  advance(1000);
  expect(irqchip.pending(0)).toBe(false);
  move(20_000n); // past it: at once
  expect([irqchip.acknowledge(0), timer.deadline]).toEqual([0x50, 0n]);
  move(0n);
  advance(1e9);
  expect(irqchip.pending(0)).toBe(false);
});

describe('x2APIC', () => {
  test.each([
    ['xAPIC', 0xfee0_0800n, 0xfee0_0c00n, true],
    ['x2APIC back to xAPIC', 0xfee0_0c00n, 0xfee0_0800n, false],
    ['x2APIC to disabled', 0xfee0_0c00n, 0xfee0_0000n, true],
    ['disabled to x2APIC', 0xfee0_0000n, 0xfee0_0c00n, false],
    ['extended without enable', 0xfee0_0800n, 0xfee0_0400n, false],
    ['a reserved low bit', 0xfee0_0800n, 0xfee0_0801n, false],
    ['a bit above the physical width', 0xfee0_0800n, (1n << 40n) | 0xfee0_0800n, false],
  ])('IA32_APIC_BASE: %s', (_name, from, to, allowed) => {
    const { irqchip } = chips(2);
    irqchip.lapics.writeMsr(1, 0x1b, from);
    expect(irqchip.lapics.writeMsr(1, 0x1b, to)).toBe(allowed);
    expect(irqchip.lapics.readMsr(1, 0x1b)).toBe(allowed ? to : from);
  });

  test('ids, logical ids, and no register page', () => {
    const { irqchip } = x2(18);
    const { lapics } = irqchip;
    expect([lapics.readMsr(17, 0x802), lapics.readMsr(17, 0x80d)]).toEqual([17n, 0x1_0002n]);
    expect([lapics.decodes(0, 0xfee0_0020), lapics.readMsr(0, 0x80e)]).toEqual([false, 'fault']);
    expect(lapics.readMsr(0, 0x1234)).toBeUndefined();
    expect(chips(1).irqchip.lapics.readMsr(0, 0x802)).toBe('fault');
  });

  test.each([
    [0x80b, 1n],
    [0x802, 0n],
    [0x803, 0n],
    [0x80d, 0n],
    [0x80e, 0n],
    [0x831, 0n],
    [0x828, 1n],
    [0x808, 0x100n],
    [0x808, 1n << 32n],
    [0x83f, 0x100n],
    [0x840, 0n],
    [0x832, 1n << 20n],
    [0x830, 0x1000_0000n],
    [0x839, 0n],
  ])('writing %i with %i raises #GP', (msr, value) => {
    expect(x2().irqchip.lapics.writeMsr(0, msr, value)).toBe(false);
  });

  test.each([[0x80b], [0x83f], [0x831], [0x804], [0x900]].map(([msr]) => [msr as number]))('reading %i raises #GP', (msr) => {
    const value = x2().irqchip.lapics.readMsr(0, msr);
    expect(value === 'fault' || (msr === 0x900 && value === undefined)).toBe(true);
  });

  test('ICR is one write with a 32-bit destination; logical clusters of 16; self IPI', () => {
    const { irqchip, signalled } = x2(18);
    const { lapics } = irqchip;
    lapics.writeMsr(0, 0x830, (17n << 32n) | 0x41n);
    expect([signalled(17), signalled(16), lapics.readMsr(0, 0x830)]).toEqual([INTERRUPT, 0, (17n << 32n) | 0x41n]);
    lapics.writeMsr(0, 0x830, (0x1_0003n << 32n) | 0x0842n);
    expect([signalled(16), signalled(17), signalled(0), signalled(1)]).toEqual([INTERRUPT, INTERRUPT, 0, 0]);
    lapics.writeMsr(3, 0x83f, 0x55n);
    expect(irqchip.acknowledge(3)).toBe(0x55);
    expect(lapics.writeMsr(3, 0x80b, 0n)).toBe(true);
    expect(lapics.of(3).inService).toBe(-1);
  });
});

describe('pins and life cycle', () => {
  test('LINT1 is the NMI line; a disabled APIC passes NMI and INTR through', () => {
    const { irqchip, apic, signalled, outb } = enabled(2);
    irqchip.nmi();
    expect(signalled(0)).toBe(0);
    apic(0).write(REG.lvt1, 0x400);
    irqchip.nmi();
    expect([signalled(0), signalled(1)]).toEqual([NMI, 0]);
    irqchip.lapics.writeMsr(0, 0x1b, 0xfee0_0100n);
    signalled(0);
    outb(0x21, 0);
    irqchip.pic.setLine(3, true);
    expect([signalled(0), irqchip.pending(0), irqchip.pending(1)]).toEqual([INTERRUPT, true, false]);
  });

  test('LINT0 as fixed interrupt and as NMI follows the 8259, unmasking ExtINT signals what waits', () => {
    const { irqchip, apic, signalled, outb } = enabled(1);
    apic(0).write(REG.lvt0, 0x1_0700);
    outb(0x21, 0);
    irqchip.pic.setLine(1, true);
    expect(irqchip.pending(0)).toBe(false);
    apic(0).write(REG.lvt0, 0x700);
    expect([signalled(0), irqchip.pending(0)]).toEqual([INTERRUPT, true]);
    irqchip.acknowledge(0);
    outb(0x20, 0x20);
    apic(0).write(REG.lvt0, 0x400);
    irqchip.pic.setLine(1, false);
    irqchip.pic.setLine(1, true);
    expect(signalled(0)).toBe(NMI);
  });

  test('INIT clears everything but the base, the id and the start-up vector', () => {
    const { irqchip, apic, advance } = enabled(1);
    apic(0).write(REG.lvtTimer, 0x50);
    apic(0).write(REG.initialCount, 1000);
    irqchip.lapics.of(0).accept(0x60, false);
    irqchip.lapics.of(0).init();
    advance(1e6);
    expect([apic(0).read(REG.svr), apic(0).read(REG.lvtTimer), irqchip.lapics.of(0).requested]).toEqual([0xff, 0x1_0000, -1]);
  });

  test('saved controllers go on where they were; a damaged one changes nothing', () => {
    const bench = enabled(2);
    const { irqchip, apic, advance, outb } = bench;
    apic(1).write(REG.divide, 0xb);
    apic(1).write(REG.lvtTimer, 0x51);
    apic(1).write(REG.initialCount, 5000);
    bench.ioapicWrite(0x10 + 22, 0x8061);
    irqchip.routes.setLine(11, true, 3);
    outb(0x43, 0x34);
    outb(0x40, 0x10);
    outb(0x40, 0x27);
    const saved = irqchip.save();
    const other = chips(2);
    other.irqchip.restore(saved);
    expect(other.irqchip.save()).toEqual(saved);
    other.advance(5000);
    advance(5000);
    expect([irqchip.acknowledge(1), other.irqchip.acknowledge(1)]).toEqual([0x51, 0x51]);
    expect([irqchip.acknowledge(0), other.irqchip.acknowledge(0)]).toEqual([0x61, 0x61]);
    const before = other.irqchip.save();
    expect(() => other.irqchip.restore({ ...saved, lapic1: [[2, 'x' as never]] })).toThrow(
      expect.objectContaining({ code: 'state-value' }),
    );
    expect(other.irqchip.save()).toEqual(before);
    expect(other.irqchip.inspect().map(({ name }) => name)).toEqual(['gsi', 'pic', 'ioapic', 'pit', 'lapic0', 'lapic1']);
  });
});
