/** Control, debug and model-specific registers, CPUID, time-stamp counter (SDM vol. 2). */
import { type Definition, defineInstruction } from '../define.ts';
import type { Emitter, Int } from '../emitter.ts';
import type { SlowName } from '../fields.ts';
import { requireSupervisor } from './privilege.ts';

/** `readControl` and `readDebug` know which numbers exist and what stands in the way of reading them. */
const movFrom = (form: string, routine: 'readControl' | 'readDebug'): Definition =>
  defineInstruction({
    name: 'mov',
    flags: {},
    forms: [form],
    run(e, f) {
      requireSupervisor(e);
      const [value] = e.slow(routine, e.registerNumber(f.src));
      e.write(f.dst, e.trunc(f.mode === 'long' ? 64 : 32, value));
    },
  });

const movTo = (form: string, routine: 'writeControl' | 'writeDebug'): Definition =>
  defineInstruction({
    name: 'mov',
    flags: {},
    forms: [form],
    run(e, f) {
      requireSupervisor(e);
      e.slow(routine, e.registerNumber(f.dst), e.read(f.src));
    },
  });

/** A register destination takes as much of CR0 as it holds, memory 16 bits. */
const smsw = defineInstruction({
  name: 'smsw',
  flags: {},
  forms: ['0F 01/4 Rv/Mw'],
  run(e, f) {
    const [value] = e.slow('smsw');
    e.write(f.dst, e.trunc(f.dst.width as 16, value));
  },
});

const lmsw = defineInstruction({
  name: 'lmsw',
  flags: {},
  forms: ['0F 01/6 Ew'],
  run(e, f) {
    requireSupervisor(e);
    e.slow('lmsw', e.read(f.dst));
  },
});

/** EDX:EAX; in 64-bit mode the upper halves are cleared. */
const setEdxEax = (e: Emitter, value: Int): void => {
  e.setReg(32, 0, e.trunc(32, value));
  e.setReg(32, 2, e.shr(64, value, e.const(32)));
};

/** An instruction that is one slow routine without arguments, after the privilege check when `supervisor`. */
const plain = (form: string, name: SlowName, supervisor: boolean): Definition =>
  defineInstruction({
    name,
    flags: {},
    forms: [form],
    run(e) {
      if (supervisor) requireSupervisor(e);
      e.slow(name);
    },
  });

const counter = (form: string, name: 'rdtsc' | 'rdtscp' | 'rdpmc' | 'xgetbv'): Definition =>
  defineInstruction({
    name,
    flags: {},
    forms: [form],
    run(e) {
      const [value] = e.slow(name);
      setEdxEax(e, value);
      if (name === 'rdtscp') e.setReg(32, 1, e.trunc(32, e.field('tscAux')));
    },
  });

export const definitions: readonly Definition[] = [
  movFrom('0F 20 Rr,Cr anymod', 'readControl'),
  movTo('0F 22 Cr,Rr anymod', 'writeControl'),
  movFrom('0F 21 Rr,Dr anymod', 'readDebug'),
  movTo('0F 23 Dr,Rr anymod', 'writeDebug'),
  smsw,
  lmsw,
  plain('0F 06', 'clts', true),
  plain('0F 32', 'rdmsr', true),
  plain('0F 30', 'wrmsr', true),
  plain('0F A2', 'cpuid', false),
  plain('NP 0F 01 D1 feature:xsave', 'xsetbv', false),
  counter('0F 31', 'rdtsc'),
  counter('0F 01 F9 feature:rdtscp', 'rdtscp'),
  counter('0F 33', 'rdpmc'),
  counter('NP 0F 01 D0 feature:xsave', 'xgetbv'),
];
