/** MXCSR, fences and the save areas (SDM vol. 2: LDMXCSR, FXSAVE, XSAVE and their counterparts). */
import { defineInstruction } from '../define.ts';
import type { Emitter, Operand } from '../emitter.ts';
import type { Definition } from '../form.ts';
import { requireSse } from '../mmx/state.ts';
import { sseIndex } from './ops.ts';

const noFlags = { reads: '', writes: '' } as const;
const CR4_OSXSAVE = 18;

const controlRegister = [
  defineInstruction({
    name: 'ldmxcsr',
    forms: ['NP 0F AE/2 Md feature:sse'],
    flags: noFlags,
    run(e, { dst }) {
      requireSse(e);
      e.slow('sse', e.const(sseIndex('loadMxcsr')), e.read(dst), e.const(0), e.const(0));
    },
  }),
  defineInstruction({
    name: 'stmxcsr',
    forms: ['NP 0F AE/3 Md feature:sse'],
    flags: noFlags,
    run(e, { dst }) {
      requireSse(e);
      e.write(dst, e.field('mxcsr'));
    },
  }),
];

/** Loads and stores of all tiers are in x86 order already; only MFENCE has to do something. */
const fences = [
  defineInstruction({ name: 'sfence', forms: ['NP 0F AE/7 mod3 feature:sse'], flags: noFlags, run() {} }),
  defineInstruction({ name: 'lfence', forms: ['NP 0F AE/5 mod3 feature:sse2'], flags: noFlags, run() {} }),
  defineInstruction({
    name: 'mfence',
    forms: ['NP 0F AE/6 mod3 feature:sse2'],
    flags: noFlags,
    run(e) {
      e.slow('sse', e.const(sseIndex('fence')), e.const(0), e.const(0), e.const(0));
    },
  }),
];

const CR0_EM_TS = 12;
const FXSAVE_BYTES = 512;

/** #NM while CR0.EM or CR0.TS is set (FXSAVE, FXRSTOR). */
function requireUnit(e: Emitter): void {
  e.raiseIf(e.ne(e.and(e.field('cr0'), e.const(CR0_EM_TS)), e.const(0)), 7);
}

/** The last byte is touched through the segment too, so that limits hold for the whole area. */
function checkReadable(e: Emitter, op: Operand, bytes: number): void {
  e.loadAt(op, 0, 8);
  e.loadAt(op, bytes - 1, 8);
}

const legacyArea = [
  defineInstruction({
    name: 'fxsave{,,64}',
    forms: ['NP 0F AE/0 M feature:fxsr'],
    flags: noFlags,
    run(e, { dst, width, mode }) {
      requireUnit(e);
      e.checkAligned(dst, 16);
      e.probeWrite(dst, FXSAVE_BYTES);
      e.slow('fxsave', e.linear(dst), e.const(mode === 'long' && width === 64 ? 1 : 0));
    },
  }),
  defineInstruction({
    name: 'fxrstor{,,64}',
    forms: ['NP 0F AE/1 M feature:fxsr'],
    flags: noFlags,
    run(e, { dst, width, mode }) {
      requireUnit(e);
      e.checkAligned(dst, 16);
      checkReadable(e, dst, FXSAVE_BYTES);
      e.slow('fxrstor', e.linear(dst), e.const(mode === 'long' && width === 64 ? 1 : 0));
    },
  }),
];

/** #UD without CR4.OSXSAVE, #NM with CR0.TS (XSAVE, XRSTOR; CR0.EM has no effect on them). */
function requireXsave(e: Emitter): void {
  e.raiseIf(e.notB(e.bit(e.field('cr4'), CR4_OSXSAVE)), 6);
  e.raiseIf(e.bit(e.field('cr0'), 3), 7);
}

const XSAVE_BYTES = 576;

const extendedArea = [
  ...(['xsave', 'xsaveopt'] as const).map((name) =>
    defineInstruction({
      name: `${name}{,,64}`,
      forms: [name === 'xsave' ? 'NP 0F AE/4 M feature:xsave' : 'NP 0F AE/6 M feature:xsaveopt'],
      flags: noFlags,
      run(e, { dst, width, mode }) {
        requireXsave(e);
        e.checkAligned(dst, 64);
        e.probeWrite(dst, XSAVE_BYTES);
        e.slow('xsave', e.linear(dst), e.const(mode === 'long' && width === 64 ? 1 : 0), e.const(name === 'xsaveopt' ? 1 : 0));
      },
    }),
  ),
  defineInstruction({
    name: 'xrstor{,,64}',
    forms: ['NP 0F AE/5 M feature:xsave'],
    flags: noFlags,
    run(e, { dst, width, mode }) {
      requireXsave(e);
      e.checkAligned(dst, 64);
      checkReadable(e, dst, XSAVE_BYTES);
      e.slow('xrstor', e.linear(dst), e.const(mode === 'long' && width === 64 ? 1 : 0));
    },
  }),
];

export const control: readonly Definition[] = [...controlRegister, ...fences, ...legacyArea, ...extendedArea];
