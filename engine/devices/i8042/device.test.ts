import { describe, expect, it } from 'vitest';
import { deviceBench, deviceContract } from '../testing/contract.ts';
import { i8042 } from './device.ts';
import { keyNumber } from './keys.ts';
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
  const key = (name: string, down = true) => bench.device.api.key(keyNumber(name) ?? -1, down);
  const toMouse = (...bytes: number[]) => {
    for (const byte of bytes) command(Command.ToMouse, byte);
  };
  const move = (x: number, y: number, buttons = 0, wheel = 0) => bench.device.api.move({ x, y, wheel, buttons });
  return { ...bench, happened, status, command, keyboard, drain, key, toMouse, move };
}

deviceContract(i8042, {
  disturb: (bench) => {
    bench.write(0, Command.WriteMode, 1, 'control');
    bench.write(0, 0x43, 1, 'data');
    bench.write(0, Key.Identify, 1, 'data');
    bench.device.api.key(keyNumber('KeyA') ?? -1, true);
    for (const byte of [Mouse.Enable]) {
      bench.write(0, Command.ToMouse, 1, 'control');
      bench.write(0, byte, 1, 'data');
    }
    bench.device.api.move({ x: 700, y: -3, wheel: 1, buttons: 1 });
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
    c.key('KeyA');
    c.key('KeyA', false);
    expect(c.drain()).toEqual([0x1c, 0xf0, 0x1c]);
    c.command(Command.WriteMode, Mode.KeyboardIrq | Mode.Translate);
    for (const [name, down] of [
      ['KeyA', true],
      ['KeyA', false],
      ['ArrowUp', true],
      ['ArrowUp', false],
    ] as const)
      c.key(name, down);
    expect(c.drain()).toEqual([0x1e, 0x9e, 0xe0, 0x48, 0xe0, 0xc8]);
  });

  it('sends the keys that are sequences, in sets 1 and 2', () => {
    const c = controller();
    c.key('Pause');
    c.key('Pause', false);
    expect(c.drain()).toEqual([0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77]);
    c.key('PrintScreen');
    c.key('PrintScreen', false);
    expect(c.drain()).toEqual([0xe0, 0x12, 0xe0, 0x7c, 0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12]);
    c.keyboard(Key.ScanSet, 1);
    c.drain();
    c.key('Pause');
    c.key('ControlRight');
    c.key('ControlRight', false);
    expect(c.drain()).toEqual([0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5, 0xe0, 0x1d, 0xe0, 0x9d]);
  });

  it('has set 3 with one byte a key, released as each key is told', () => {
    const c = controller();
    c.keyboard(Key.ScanSet, 3);
    c.drain();
    const tap = (name: string) => {
      c.key(name);
      c.key(name, false);
      return c.drain();
    };
    expect([tap('KeyA'), tap('ShiftLeft'), tap('F1')]).toEqual([[0x1c], [0x12, 0xf0, 0x12], [0x07]]);
    c.keyboard(Key.SetMakeBreak, 0x1c, 0x07, Key.Enable);
    expect(c.drain()).toEqual([Answer.Ack, Answer.Ack]); // the first stood in the controller; enabling empties the queue
    expect([tap('KeyA'), tap('F1')]).toEqual([
      [0x1c, 0xf0, 0x1c],
      [0x07, 0xf0, 0x07],
    ]);
    c.keyboard(Key.AllMake);
    c.drain();
    expect(tap('KeyA')).toEqual([0x1c]);
  });

  it('repeats a held key by delay and rate, until it or the guest ends that', () => {
    const c = controller();
    c.key('KeyA');
    expect(c.drain()).toEqual([0x1c]);
    c.advance(499e6);
    expect(c.drain()).toEqual([]);
    c.advance(2e6);
    expect(c.drain()).toEqual([0x1c]);
    c.advance(92e6);
    expect(c.drain()).toEqual([0x1c]);
    c.keyboard(Key.Rate, 0x00); // a quarter of a second, 30 a second
    c.key('KeyB');
    c.drain();
    c.advance(251e6);
    c.drain();
    c.advance(34e6);
    expect(c.drain()).toEqual([0x32]);
    c.key('KeyB', false);
    c.drain();
    c.advance(1e9);
    expect(c.drain()).toEqual([]);
  });

  it('sends its last answer again', () => {
    const c = controller();
    c.keyboard(Key.Echo, Key.Again);
    expect(c.drain()).toEqual([Answer.Echo, Answer.Echo]);
  });

  it('raises an edge for each byte read', () => {
    const c = controller();
    c.command(Command.WriteMode, Mode.KeyboardIrq | Mode.Translate);
    c.key('KeyA');
    c.key('KeyB');
    expect([c.lines.keyboard, c.edges.keyboard]).toEqual([true, 1]);
    c.read(0, 1, 'data');
    expect([c.lines.keyboard, c.edges.keyboard]).toEqual([true, 2]);
    c.read(0, 1, 'data');
    expect(c.lines.keyboard).toBe(false);
  });

  it('keeps whole events, and none while it does not scan', () => {
    const c = controller();
    const taken = Array.from({ length: 20 }, () => c.key('KeyA', false));
    expect(taken.filter(Boolean).length).toBe(16);
    expect(c.drain().length).toBe(32);
    c.keyboard(Key.DisableDefaults);
    expect([c.key('KeyA'), c.drain()]).toEqual([false, [Answer.Ack]]);
  });

  it('waits while the controller has it switched off', () => {
    const c = controller();
    c.command(Command.KeyboardOff);
    c.key('KeyA');
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

  it('reports moves once it is enabled, and what one report does not hold in the next', () => {
    const c = controller();
    expect(c.move(1, 1)).toBe(false);
    c.toMouse(Mouse.Enable);
    c.drain();
    expect(c.move(-3, 500, 1)).toBe(true);
    expect(c.drain()).toEqual([0x19, 0xfd, 0xff]);
    c.advance(11e6);
    expect(c.drain()).toEqual([0x09, 0, 245]);
    c.advance(1e9);
    expect(c.drain()).toEqual([]);
  });

  it('adds moves up while the guest does not read, at most as many reports a second as it was told', () => {
    const c = controller();
    c.toMouse(Mouse.Enable);
    c.drain();
    for (let i = 0; i < 100; i++) c.move(1, 0);
    expect(c.drain()).toEqual([0x08, 1, 0]);
    c.advance(9e6);
    expect(c.drain()).toEqual([]);
    c.advance(2e6);
    expect(c.drain()).toEqual([0x08, 99, 0]);
  });

  it('loses no click, however short', () => {
    const c = controller();
    c.toMouse(Mouse.Enable);
    c.drain();
    for (const buttons of [1, 0, 1, 0]) c.move(0, 0, buttons);
    const seen = [c.drain(), c.advance(20e6), c.drain(), c.advance(20e6), c.drain()].flat().filter((byte) => byte !== undefined);
    expect(seen).toEqual([9, 0, 0, 8, 0, 0, 9, 0, 0, 8, 0, 0]);
  });

  it('becomes an IntelliMouse with a wheel, then with five buttons, by the knock of sample rates', () => {
    const c = controller();
    const knock = (...rates: number[]) => {
      for (const rate of rates) c.toMouse(Mouse.Rate, rate);
      c.toMouse(Mouse.Identify);
      return c.drain().at(-1);
    };
    expect([knock(200, 100, 81), knock(200, 100, 80)]).toEqual([0, 3]);
    c.toMouse(Mouse.Rate, 100, Mouse.Enable);
    c.drain();
    c.move(1, 0, 0, -2);
    expect(c.drain()).toEqual([0x08, 1, 0, 0xfe]);
    expect(knock(200, 200, 80)).toBe(4);
    c.advance(1e9);
    c.move(0, 0, 0x18, 1);
    expect(c.drain()).toEqual([0x08, 0, 0, 0x31]);
    c.toMouse(Mouse.Reset, Mouse.Identify);
    expect(c.drain()).toEqual([Answer.Ack, Answer.SelfTestPassed, 0, Answer.Ack, 0]);
  });

  it('answers when asked in remote mode, and echoes in wrap mode', () => {
    const c = controller();
    c.toMouse(Mouse.Remote);
    c.drain();
    c.move(5, -5);
    expect(c.drain()).toEqual([]);
    c.toMouse(Mouse.Read);
    expect(c.drain()).toEqual([Answer.Ack, 0x28, 5, 0xfb]);
    c.toMouse(Mouse.Wrap, 0x12, Mouse.Status, Mouse.Unwrap);
    expect(c.drain()).toEqual([Answer.Ack, 0x12, Mouse.Status, Answer.Ack]);
  });
});
