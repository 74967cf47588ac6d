import { describe, expect, it } from 'vitest';
import { definitions } from '../../isa/all.ts';
import type { Form } from '../../isa/form.ts';
import { AT, Stage } from '../testing/stage.ts';
import { tiers } from '../testing/tiers.ts';

const BITS = { C: 1, P: 4, A: 0x10, Z: 0x40, S: 0x80, O: 0x800 } as const;
const STATUS = 0x8d5;
const NAMES = Object.keys(BITS) as (keyof typeof BITS)[];
/** What waits, depends on time or changes state that is not set anew cannot be run twice for comparison. */
const LEAVES = /^(hlt|mwait|monitor|rdtsc|rdtscp|cpuid|rdmsr|wrmsr|lldt|ltr|lidt|lgdt|lmsw|clts|fnsave)$/;

/** Bytes of this form with a register or, at [rbx], a memory operand. */
function sample(form: Form, memory: boolean, cc: number): number[] {
  const prefix = form.prefix === 'any' || form.prefix === 'NP' ? [] : [Number.parseInt(form.prefix, 16)];
  const map = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][form.map]!;
  const reg = form.digit >= 0 ? form.digit : 2;
  const modrm = form.modrm >= 0 ? form.modrm : memory ? (reg << 3) | 3 : 0xc1 | (reg << 3);
  return [...prefix, ...map, form.opcode + cc, ...(form.hasModrm ? [modrm] : []), 3, 0, 0, 0, 0, 0, 0, 0];
}

const bitsOf = (names: string): number => NAMES.reduce((mask, name) => (names.includes(name) ? mask | BITS[name] : mask), 0);

describe.each(['long', 'code32'] as const)('declared flags in %s mode', (mode) => {
  const [oracle] = tiers;
  const stage = new Stage(oracle!, mode);

  /** Everything an instruction leaves behind, flags aside. */
  function outcome(bytes: readonly number[], registers: Record<string, number>, flags: number) {
    stage.write(AT.data, 0x8070605040302010n, 0x0102030405060708n);
    const { flags: after, fault, ...rest } = stage.run(`db ${bytes.join()}`, registers, { flags });
    const memory = [0, 8].map((at) => stage.read(AT.data + at, 64));
    return {
      after: after & STATUS,
      fault,
      rest: JSON.stringify([rest, memory], (_key, value) => (typeof value === 'bigint' ? String(value) : value)),
    };
  }

  function check(form: Form, bytes: readonly number[], registers: Record<string, number>): string[] {
    const reads = bitsOf(form.definition.reads ?? '');
    const writes = bitsOf(form.definition.writes ?? '');
    const wrong: string[] = [];
    for (const base of [0, STATUS]) {
      const first = outcome(bytes, registers, base);
      if (first.fault !== undefined) return wrong;
      if ((first.after & ~writes) !== (base & STATUS & ~writes))
        wrong.push(`changes more than ${form.definition.writes}: ${(first.after ^ base).toString(16)}`);
      for (const name of NAMES) {
        if ((reads & BITS[name]) !== 0) continue;
        const second = outcome(bytes, registers, base ^ BITS[name]);
        if (second.rest !== first.rest) wrong.push(`depends on ${name}`);
        if (((second.after ^ first.after) & writes) !== 0) wrong.push(`leaves what it says to write to ${name}`);
      }
    }
    return wrong;
  }

  it('are what instructions consult and change', () => {
    const wrong: string[] = [];
    let checked = 0;
    for (const definition of definitions) {
      if (definition.writes === undefined && definition.reads === undefined) continue;
      if (LEAVES.test(definition.name)) continue;
      for (const form of definition.forms) {
        if (mode === 'long' ? !form.in64 : !form.inLegacy) continue;
        for (const memory of form.hasModrm && form.mod === 'both' ? [false, true] : [form.mod === 'mem'])
          for (const cc of form.opcodes === 16 ? [2, 4, 6, 12, 15] : [0])
            for (const rcx of [0, 1, 77]) {
              const registers = { rax: 0x1234, rcx, rdx: 0x31, rbx: AT.data, rbp: AT.data, rsi: AT.data, rdi: AT.data + 8 };
              const found = check(form, sample(form, memory, cc), registers);
              wrong.push(
                ...new Set(found.map((what) => `${definition.name} ${form.text}${memory ? ' memory' : ''} rcx=${rcx}: ${what}`)),
              );
              checked++;
            }
      }
    }
    expect(wrong).toEqual([]);
    expect(checked).toBeGreaterThan(500);
  });
});
