import { describe, expect, it } from 'vitest';
import { deviceBench, deviceContract } from '../testing/contract.ts';
import { i8042 } from './device.ts';
import { Answer, Command, Key, Mode, Mouse, SELF_TEST_PASSED, Status } from './spec.ts';

function controller() {
  const happened: string[] = [];
  const needs = () => ({
    a20: { set: (open: boolean) => happened.push(open ? 'a20 open' : 'a20 closed') },
    signals: { reset: () => happened.push('reset'), powerOff: () => undefined, debugExit: () => undefined },
  });
  const bench = deviceBench(i8042, { needs });
  happened.length = 0;
  const status = () => bench.read(0, 1, 'control');
  const command = (code: number, ...data: number[]) => {
    bench.write(0, code, 1, 'control');
    for (const byte of data) bench.write(0, byte, 1, 'data');
  };
  const keyboard = (...bytes: number[]) => {
    for (const byte of bytes) bench.write(0, byte, 1, 'data');
  };
  const drain = () => {
    const bytes: number[] = [];
    while (status() & Status.OutputFull) bytes.push(bench.read(0, 1, 'data'));
    return bytes;
  };
  return { ...bench, happened, status, command, keyboard, drain };
}

deviceContract(i8042, {
  disturb: (bench) => {
    bench.write(0, Command.WriteMode, 1, 'control');
    bench.write(0, 0x43, 1, 'data');
    bench.write(0, Key.Identify, 1, 'data');
  },
});

describe('controller', () => {
  it.each([
    [Command.SelfTest, SELF_TEST_PASSED],
    [Command.TestKeyboard, 0],
    [Command.TestMouse, 0],
    [Command.ReadMode, 0],
  ])('answers command %i with %i', (code, answer) => {
    const c = controller();
    c.command(code);
    expect(c.drain()).toEqual([answer]);
  });

  it('keeps its command byte and says which port was written last', () => {
    const c = controller();
    c.command(Command.WriteMode, 0x47);
    expect(c.status() & Status.Command).toBe(0);
    c.command(Command.ReadMode);
    expect(c.status() & Status.Command).toBe(Status.Command);
    expect(c.drain()).toEqual([0x47]);
  });

  it('drives A20 and the reset line', () => {
    const c = controller();
    c.write(0, 0, 1, 'port92');
    c.command(Command.WriteOutput, 0xdd); // both gates closed now
    c.command(Command.WriteOutput, 0xdf);
    c.write(0, 2, 1, 'port92');
    c.command(Command.A20Off); // port 92h still holds the gate open
    c.command(Command.Reset);
    c.command(Command.WriteOutput, 0xde);
    c.write(0, 1, 1, 'port92');
    expect(c.happened).toEqual([
      'a20 open',
      'a20 closed',
      'a20 open',
      'a20 open',
      'a20 open',
      'reset',
      'a20 open',
      'reset',
      'a20 open',
      'reset',
    ]);
  });
});

describe('keyboard', () => {
  it('resets, identifies itself and takes parameters', () => {
    const c = controller();
    c.keyboard(Key.Reset);
    expect(c.drain()).toEqual([Answer.Ack, Answer.SelfTestPassed]);
    c.keyboard(Key.Identify);
    expect(c.drain()).toEqual([Answer.Ack, 0xab, 0x83]);
    c.keyboard(Key.Leds, 0x05);
    expect(c.drain()).toEqual([Answer.Ack, Answer.Ack]);
    expect(c.device.state.leds).toBe(5);
    c.keyboard(Key.ScanSet, 0);
    expect(c.drain()).toEqual([Answer.Ack, Answer.Ack, 2]);
    c.keyboard(0xe1);
    expect(c.drain()).toEqual([Answer.Resend]);
  });

  it('is translated to set 1 where the mode says so', () => {
    const c = controller();
    c.device.api.key([0x1c, 0xf0, 0x1c]); // A pressed and released
    expect(c.drain()).toEqual([0x1c, 0xf0, 0x1c]);
    c.command(Command.WriteMode, Mode.KeyboardIrq | Mode.Translate);
    c.device.api.key([0x1c, 0xf0, 0x1c, 0xe0, 0x75, 0xe0, 0xf0, 0x75]);
    expect(c.drain()).toEqual([0x1e, 0x9e, 0xe0, 0x48, 0xe0, 0xc8]);
  });

  it('raises an edge for each byte read', () => {
    const c = controller();
    c.command(Command.WriteMode, Mode.KeyboardIrq | Mode.Translate);
    c.device.api.key([0x1c]);
    c.device.api.key([0x32]);
    expect([c.lines.keyboard, c.edges.keyboard]).toEqual([true, 1]);
    c.read(0, 1, 'data');
    expect([c.lines.keyboard, c.edges.keyboard]).toEqual([true, 2]);
    c.read(0, 1, 'data');
    expect(c.lines.keyboard).toBe(false);
  });

  it('keeps whole events, and none while it does not scan', () => {
    const c = controller();
    const taken = Array.from({ length: 20 }, () => c.device.api.key([0xf0, 0x1c]));
    expect(taken.filter(Boolean).length).toBe(16);
    expect(c.drain().length).toBe(32);
    c.keyboard(Key.DisableDefaults);
    expect([c.device.api.key([0x1c]), c.drain()]).toEqual([false, [Answer.Ack]]);
  });

  it('waits while the controller has it switched off', () => {
    const c = controller();
    c.command(Command.KeyboardOff);
    c.device.api.key([0x1c]);
    expect(c.drain()).toEqual([]);
    c.command(Command.KeyboardOn);
    expect(c.drain()).toEqual([0x1c]);
  });
});

describe('mouse', () => {
  it('is found by a byte that comes back, even while it is switched off', () => {
    const c = controller();
    c.command(Command.WriteMode, Mode.MouseOff | Mode.MouseIrq);
    c.command(Command.LoopMouse, 0x5a);
    expect([c.status() & Status.FromMouse, c.lines.mouse, ...c.drain()]).toEqual([Status.FromMouse, true, 0x5a]);
  });

  it('answers on its own interrupt', () => {
    const c = controller();
    c.command(Command.WriteMode, Mode.MouseIrq);
    c.command(Command.ToMouse, Mouse.Reset);
    expect([c.lines.mouse, c.lines.keyboard, c.status() & Status.FromMouse]).toEqual([true, false, Status.FromMouse]);
    expect(c.drain()).toEqual([Answer.Ack, Answer.SelfTestPassed, 0]);
    c.command(Command.ToMouse, Mouse.Rate);
    c.command(Command.ToMouse, 80);
    c.command(Command.ToMouse, Mouse.Status);
    expect(c.drain()).toEqual([Answer.Ack, Answer.Ack, Answer.Ack, 0, 2, 80]);
  });

  it('reports moves once it is enabled', () => {
    const c = controller();
    expect(c.device.api.move(1, 1, 0)).toBe(false);
    c.command(Command.ToMouse, Mouse.Enable);
    c.drain();
    expect(c.device.api.move(-3, 500, 1)).toBe(true);
    expect(c.drain()).toEqual([0x19, 0xfd, 0xff]);
  });
});
