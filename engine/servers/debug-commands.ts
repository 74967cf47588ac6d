/** The commands that hold a machine, step it, and read and change what it holds, carried out. */
import {
  machineDevices,
  machineDisassemble,
  machineInterrupts,
  machineMemory,
  machineMemoryFind,
  machineMemorySet,
  machinePause,
  machinePci,
  machineRegistersSet,
  machineRunTo,
  machineStep,
  stopAdd,
  stopChange,
  stopList,
  stopRemove,
} from '../contract/debug-commands.ts';
import { type Served, serve } from '../contract/serve.ts';
import type { Coordinator } from '../machine/coordinator.ts';
import { disassemble, isCall } from './disassembly.ts';

const hex = (value: bigint): string => `0x${value.toString(16)}`;
const bytesOf = (digits: string): number[] => (digits.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
const word = (value: number): string => `0x${value.toString(16).padStart(4, '0')}`;
/** Bytes of the longest instruction. */
const LONGEST = 15;

/** `running` fails while there is no machine. */
export function serveDebugging(running: () => Coordinator): readonly Served<undefined>[] {
  return [
    serve(machinePause, async () => {
      await running().pause();
      return {};
    }),
    serve(machineStep, async ({ vcpu, kind, count }) => {
      const machine = running();
      if (kind === 'out') return { done: false, retired: 0, rip: hex((await machine.stepOut(vcpu)).linear) };
      if (kind === 'over') {
        const code = await machine.questions.ask(vcpu, { kind: 'code', bytes: LONGEST });
        const [instruction] = disassemble(code.bytes, { at: code.from, bits: code.next.bits, count: 1 });
        if (instruction !== undefined && isCall(instruction)) {
          await machine.runTo(code.from + BigInt(instruction.length), { vcpu, next: code.next });
          return { done: false, retired: 0, rip: hex(code.from) };
        }
      }
      const { retired, next } = await machine.stepInto(vcpu, kind === 'over' ? 1 : count);
      return { done: true, retired, rip: hex(next.linear) };
    }),
    serve(machineRunTo, async ({ gva, vcpu }) => {
      const machine = running();
      if (vcpu !== undefined) await machine.questions.ask(vcpu, { kind: 'code', bytes: 1 });
      await machine.runTo(BigInt(gva), { vcpu });
      return {};
    }),
    serve(stopAdd, ({ condition, vcpu, enabled }) => ({ stop: running().debugger.add(condition, { vcpu, enabled }) })),
    serve(stopChange, ({ stop, enabled }) => {
      running().debugger.change(stop, enabled);
      return {};
    }),
    serve(stopRemove, ({ stop }) => {
      running().debugger.remove(stop);
      return {};
    }),
    serve(stopList, () => {
      const { stops, stopped } = running().debugger;
      return {
        stops: stops.map(({ vcpu, ...stop }) => ({ ...stop, ...(vcpu !== undefined && { vcpu }) })),
        ...(stopped && { stopped }),
      };
    }),
    serve(machineRegistersSet, async ({ vcpu, registers }) => {
      await running().questions.ask(vcpu, { kind: 'registers-set', registers });
      return {};
    }),
    serve(machineMemory, async ({ vcpu, space, address, bytes }) => {
      const answer = await running().questions.ask(vcpu, { kind: 'memory', space, address: BigInt(address), bytes });
      const digits = Array.from(answer.bytes, (byte) => (byte < 0 ? '--' : byte.toString(16).padStart(2, '0')));
      return { address: hex(BigInt(address)), bytes: digits.join('') };
    }),
    serve(machineMemorySet, async ({ vcpu, space, address, bytes }) => {
      await running().questions.ask(vcpu, { kind: 'memory-set', space, address: BigInt(address), bytes: bytesOf(bytes) });
      return {};
    }),
    serve(machineMemoryFind, async ({ vcpu, space, from, to, pattern, limit }) => {
      const { found, next } = await running().questions.ask(vcpu, {
        kind: 'memory-find',
        space,
        address: BigInt(from),
        to: BigInt(to),
        pattern: bytesOf(pattern),
        limit,
      });
      return { found: found.map(hex), ...(next !== undefined && { next: hex(next) }) };
    }),
    serve(machineDevices, async ({ names }) => {
      const { devices } = await running().screen.ask({ kind: 'devices' });
      const wanted = devices.filter(({ name }) => names === undefined || names.includes(name));
      return { devices: wanted.map(({ name, type, members }) => ({ name, type, members: [...members] })) };
    }),
    serve(machineInterrupts, async () => (await running().screen.ask({ kind: 'interrupts' })).report),
    serve(machinePci, async () => {
      const { functions } = await running().screen.ask({ kind: 'pci' });
      return {
        functions: functions.map(({ bars, config, ...one }) => ({
          ...one,
          vendor: word(one.vendor),
          id: word(one.id),
          class: `0x${one.class.toString(16).padStart(6, '0')}`,
          command: word(one.command),
          status: word(one.status),
          bars: bars.map((bar) => ({ ...bar, address: `0x${bar.address.toString(16)}` })),
          config: Buffer.from(config).toString('hex'),
        })),
      };
    }),
    serve(machineDisassemble, async ({ vcpu, gva, count, bits }) => {
      const from = gva === undefined ? {} : { gva: BigInt(gva) };
      const code = await running().questions.ask(vcpu, { kind: 'code', ...from, bytes: count * LONGEST });
      const width = bits ?? code.next.bits;
      const instructions = disassemble(code.bytes, { at: code.from, bits: width, count });
      const last = instructions.at(-1);
      return {
        vcpu,
        ip: hex(code.next.linear),
        bits: width,
        instructions: instructions.map(({ at, bytes, text, target }) => ({
          gva: hex(at),
          bytes: Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(''),
          text,
          ...(target !== undefined && { target: hex(target) }),
        })),
        next: hex(last === undefined ? code.from : last.at + BigInt(last.length)),
      };
    }),
  ];
}
