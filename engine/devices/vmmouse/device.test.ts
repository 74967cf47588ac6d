import { expect, it } from 'vitest';
import { deviceBench, deviceContract } from '../testing/contract.ts';
import { type CallRegisters, vmmouse } from './device.ts';
import { Command, EVENTS, FAULT, MAGIC, POINTER_VERSION, Pointer, UNSUPPORTED } from './spec.ts';

deviceContract(vmmouse, {
  disturb: ({ device }) => {
    device.state.enabled = true;
    device.state.absolute = true;
    device.api.point({ x: 1, y: 2, wheel: 0, buttons: 1 });
  },
});

function guest() {
  const registers: CallRegisters = { eax: 0, ebx: 0, ecx: 0, edx: 0 };
  let rung = 0;
  const needs = () => ({
    registers: { read: () => registers, write: (_vcpu: number, after: object) => void Object.assign(registers, after) },
    bell: () => {
      rung += 1;
    },
  });
  const bench = deviceBench(vmmouse, { needs });
  return {
    point: bench.device.api.point,
    rung: () => rung,
    call: (command: number, argument = 0, magic = MAGIC) => {
      Object.assign(registers, { eax: magic, ebx: argument, ecx: command, edx: 0x5658 });
      registers.eax = bench.read(0, 4);
      return [registers.eax, registers.ebx, registers.ecx, registers.edx];
    },
  };
}

it('is there for who knows the word, and not for others', () => {
  const { call } = guest();
  expect(call(Command.Version).slice(0, 2)).toEqual([6, MAGIC]);
  expect(call(Command.Version, 0, 0x12345678)[0]).toBe(UNSUPPORTED);
  expect(call(1)[0]).toBe(UNSUPPORTED);
});

it('gives positions once it is enabled as drivers do it, and rings for each', () => {
  const { call, point, rung } = guest();
  expect(call(Command.Status)[0]).toBe(FAULT);
  expect(point({ x: 1, y: 1, wheel: 0, buttons: 0 })).toBe(false);
  call(Command.Pointer, Pointer.Enable);
  expect(call(Command.Status)[0]).toBe(1);
  expect(call(Command.Data, 1)[0]).toBe(POINTER_VERSION);
  call(Command.Pointer, Pointer.Absolute);
  expect(point({ x: 0x8000, y: 99_999, wheel: -1, buttons: 3 })).toBe(true);
  expect([rung(), call(Command.Status)[0]]).toEqual([1, 4]);
  expect(call(Command.Data, 4)).toEqual([0x30, 0x8000, 0xffff, 0xffff_ffff]);
  expect(call(Command.Status)[0]).toBe(0);
  call(Command.Pointer, Pointer.Relative);
  expect(point({ x: 0, y: 0, wheel: 0, buttons: 0 })).toBe(false);
});

it('is off after a guest has asked for more than there is', () => {
  const { call } = guest();
  for (const size of [0, 2, 5, 0xffff_ffff]) {
    call(Command.Pointer, Pointer.Enable);
    expect(call(Command.Data, size)[0]).toBe(FAULT);
    expect(call(Command.Status)[0]).toBe(FAULT);
  }
});

it('forgets the oldest events of a guest that does not read', () => {
  const { call, point } = guest();
  call(Command.Pointer, Pointer.Enable);
  call(Command.Data, 1);
  call(Command.Pointer, Pointer.Absolute);
  for (let x = 0; x < EVENTS + 10; x++) point({ x, y: 0, wheel: 0, buttons: 0 });
  expect(call(Command.Status)[0]).toBe(EVENTS * 4);
  expect(call(Command.Data, 4)[1]).toBe(10);
});
