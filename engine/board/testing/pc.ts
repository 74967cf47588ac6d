/** A whole PC in one thread: our processor, the board, the built-in BIOS, drives of the test. Time follows retired instructions. */
import { readFileSync } from 'node:fs';
import type { BiosDrive } from '../../firmware/bios/disk.ts';
import { createBareMachine } from '../../hypervisor/bare/index.ts';
import { interpreterImage } from '../../hypervisor/bare/testing/interpreter.ts';
import { createMachineMemory, type MachineMemory } from '../../memory/index.ts';
import { type BoardConfig, createBoard } from '../board.ts';
import { callerRegistersOf } from '../caller-registers.ts';

const ROM = new URL('../../../assets/firmware/bios.bin', import.meta.url);
const MIB = 2 ** 20;
const SLICE = 2000;
const NS_PER_INSTRUCTION = 20;

export interface PcOptions {
  readonly ramBytes?: number;
  readonly config?: Partial<BoardConfig>;
  readonly firmware?: Uint8Array;
  /** Made over the machine's memory. */
  readonly drives?: (memory: MachineMemory['dma']) => readonly BiosDrive[];
}

export function pc(options: PcOptions = {}) {
  const time = { ns: 1e9 };
  const memory = createMachineMemory({ ramBytes: options.ramBytes ?? 16 * MIB, vcpus: 1, hostNow: () => time.ns });
  const machine = createBareMachine({ memory, model: 'x86-64-v2', interpreter: interpreterImage() });
  const serial: number[] = [];
  const happened: string[] = [];
  const board = createBoard({
    memory,
    irqchip: machine.irqchip,
    config: { cpus: 1, testDevices: true, vga: 'std', ...options.config },
    ports: {
      serial: [{ send: (byte) => serial.push(byte), onByte: () => undefined, ready: () => undefined }],
      signals: {
        powerOff: () => happened.push('off'),
        reset: () => happened.push('reset'),
        debugExit: (value) => happened.push(`exit ${value}`),
      },
      calendar: { microseconds: () => Date.UTC(2026, 10, 28, 12) * 1000 + time.ns / 1000 },
      callerRegisters: callerRegistersOf(machine),
      drives: options.drives?.(memory.dma) ?? [],
    },
  });
  const image = options.firmware ?? readFileSync(ROM);
  const powerOn = () => {
    memory.lock.run(() => {
      board.loadFirmware('test', image);
      machine.reset();
      board.reset();
    });
    if (!memory.clock.running) memory.clock.start();
  };
  const vcpu = machine.vcpus[0];
  if (!vcpu) throw new Error('a machine has a vCPU');
  /** Run until `until` is true, at most so many instructions; returns whether it became so. */
  const run = (until: () => boolean, instructions = 3e6): boolean => {
    for (let done = 0; done < instructions && !until(); ) {
      const { reason, retired } = vcpu.run(SLICE);
      done += Math.max(retired, 1);
      if (reason === 'shutdown') throw new Error('triple fault');
      time.ns += retired * NS_PER_INSTRUCTION;
      // A halted processor sleeps to the next deadline.
      if (reason === 'halt') time.ns += Math.max(0, Math.min(memory.deadlines.next() - memory.clock.now(), 1e8));
      memory.lock.run(() => memory.deadlines.serve(memory.clock.now()));
      if (reason === 'halt') vcpu.wait(0);
    }
    return until();
  };
  const screen = board.createScreen();
  return {
    memory,
    machine,
    board,
    vcpu,
    time,
    happened,
    powerOn,
    run,
    /** The text screen. */
    lines: () => screen?.text()?.lines.map((line) => line.trimEnd()) ?? [],
    serial: () => Buffer.from(serial).toString('latin1'),
    /** A key by its name, pressed and released. */
    key: (name: string) => memory.lock.run(() => board.keyboard.key(name, true) && board.keyboard.key(name, false)),
  };
}
