import { describe, expect, it } from 'vitest';
import { deviceBench, deviceContract } from '../testing/contract.ts';
import { piix4Pm } from './device.ts';
import { Control, Pm1, Reg, TIMER_HZ } from './spec.ts';

const BASE = 0x600;

function pm() {
  const happened: string[] = [];
  const bench = deviceBench(piix4Pm, {
    needs: () => ({ signals: { powerOff: () => happened.push('off'), reset: () => undefined, debugExit: () => undefined } }),
  });
  const { api } = bench.device;
  api.config.write(0x40, 4, BASE);
  api.config.write(0x80, 1, 1);
  const get = (at: number, size: 1 | 2 | 4 = 2) => bench.machine.bus.portRead(0, BASE + at, size);
  const set = (at: number, value: number, size: 1 | 2 | 4 = 2) => bench.machine.bus.portWrite(0, BASE + at, size, value);
  return { ...bench, api, happened, get, set };
}

deviceContract(piix4Pm, {
  disturb: ({ device }) => {
    device.api.config.write(0x40, 4, BASE);
    device.api.config.write(0x80, 1, 1);
    device.api.pressPowerButton();
  },
});

it('stands where its base register says, and only while it is enabled', () => {
  const p = pm();
  expect(p.get(Reg.Control)).toBe(0);
  p.api.config.write(0x80, 1, 0);
  expect(p.get(Reg.Control)).toBe(0xffff);
  p.api.config.write(0x40, 4, 0xb000);
  p.api.config.write(0x80, 1, 1);
  expect([p.machine.bus.portRead(0, 0xb004, 2), p.api.config.read(0x40, 4)]).toEqual([0, 0xb001]);
});

describe('timer', () => {
  it('counts 3.579545 MHz of machine time in 24 bits', () => {
    const p = pm();
    const first = p.get(Reg.Timer, 4);
    p.advance(1e9);
    expect((p.get(Reg.Timer, 4) - first + 2 ** 24) % 2 ** 24).toBe(TIMER_HZ);
    p.advance(30e9);
    expect(p.get(Reg.Timer, 4)).toBeLessThan(2 ** 24);
  });

  it('sets its status when the top bit changes, and raises the SCI when asked', () => {
    const p = pm();
    p.set(Reg.Control, Control.Sci);
    p.set(Reg.Enable, Pm1.Timer);
    expect(p.lines.sci).toBe(false);
    p.advance(2.4e9); // half a turn takes 2.34 s
    expect([p.lines.sci, p.get(Reg.Status) & Pm1.Timer]).toEqual([true, Pm1.Timer]);
    p.set(Reg.Status, Pm1.Timer);
    expect(p.lines.sci).toBe(false);
    p.advance(2.4e9);
    expect([p.lines.sci, p.edges.sci]).toEqual([true, 2]);
  });
});

it('reports the power button once until it is cleared', () => {
  const p = pm();
  p.set(Reg.Enable, Pm1.PowerButton);
  p.api.pressPowerButton();
  expect(p.lines.sci).toBe(false); // not in ACPI mode
  p.set(Reg.Control, Control.Sci);
  expect(p.lines.sci).toBe(true);
  p.set(Reg.Status + 1, 0x01, 1); // bit 8 as a byte
  expect([p.lines.sci, p.get(Reg.Status) & Pm1.PowerButton]).toEqual([false, 0]);
});

it('powers off for SLP_EN with type 0 only', () => {
  const p = pm();
  p.set(Reg.Control, Control.SleepEnable | (1 << 10));
  expect(p.happened).toEqual([]);
  p.set(Reg.Control, Control.SleepEnable | Control.Sci);
  expect([p.happened, p.get(Reg.Control)]).toEqual([['off'], Control.Sci]);
});

it('writes bytes of a register without touching the other half', () => {
  const p = pm();
  p.set(Reg.Enable, 0x0521);
  p.set(Reg.Enable + 1, 0x01, 1);
  expect(p.get(Reg.Enable)).toBe(0x0121);
  p.set(Reg.Status, 0x01210000, 4); // status and enable together
  expect(p.get(Reg.Enable)).toBe(0x0121);
});

it('keeps the APM ports', () => {
  const p = pm();
  p.write(0, 0xf1, 1, 'apm');
  p.write(1, 0x12, 1, 'apm');
  expect([p.read(0, 1, 'apm'), p.read(0, 2, 'apm')]).toEqual([0xf1, 0x12f1]);
});
