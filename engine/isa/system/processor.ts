/** System calls, ports, caches and TLB, waiting, hints (SDM vol. 2). */
import { type Definition, defineInstruction } from '../define.ts';
import type { Emitter, Int, Operand } from '../emitter.ts';
import type { SlowName } from '../fields.ts';
import { requireSupervisor } from './privilege.ts';

/** An instruction that is one slow routine; the routine makes all checks. */
const routine = (name: string, form: string, slow: SlowName, ...args: number[]): Definition =>
  defineInstruction({
    name,
    forms: [form],
    run(e) {
      e.slow(slow, ...args.map((value) => e.const(value)));
    },
  });

/** As `routine`, with the operand size as argument. */
const sized = (name: string, form: string, slow: 'sysret' | 'sysexit'): Definition =>
  defineInstruction({
    name,
    forms: [form],
    run(e, f) {
      e.slow(slow, e.const(f.width));
    },
  });

const supervisor = (name: string, form: string, slow: SlowName): Definition =>
  defineInstruction({
    name,
    flags: {},
    forms: [form],
    run(e) {
      requireSupervisor(e);
      e.slow(slow);
    },
  });

/** The operand size as `portIn` and `portOut` take it, with bit 8 set where the port is part of the instruction. */
const portShape = (e: Emitter, width: number, port: Operand): Int => e.const(width | (port.kind === 'imm' ? 0x100 : 0));

const portIn = defineInstruction({
  name: 'in',
  flags: {},
  forms: ['E4 AL,Ib', 'E5 eAX,Ib', 'EC AL,DX', 'ED eAX,DX'],
  run(e, f) {
    const [value] = e.slow('portIn', e.read(f.src), portShape(e, f.dst.width, f.src));
    e.write(f.dst, value);
    e.endBlock();
  },
});

const portOut = defineInstruction({
  name: 'out',
  flags: {},
  forms: ['E6 Ib,AL', 'E7 Ib,eAX', 'EE DX,AL', 'EF DX,eAX'],
  run(e, f) {
    e.slow('portOut', e.read(f.dst), portShape(e, f.src.width, f.dst), e.read(f.src));
    e.endBlock();
  },
});

const invlpg = defineInstruction({
  name: 'invlpg',
  flags: {},
  forms: ['0F 01/7 Mb'],
  run(e, f) {
    requireSupervisor(e);
    e.slow('invlpg', e.linear(f.dst));
  },
});

const invpcid = defineInstruction({
  name: 'invpcid',
  flags: {},
  forms: ['66 0F 38 82 Gr,Mdq protected feature:invpcid'],
  run(e, f) {
    requireSupervisor(e);
    const type = e.read(f.dst);
    const low = e.loadAt(f.src, 0, 64);
    e.slow('invpcid', type, low, e.loadAt(f.src, 8, 64));
  },
});

/** The line is read, so that a missing page faults; nothing else is visible. */
const clflush = defineInstruction({
  name: 'clflush',
  flags: {},
  forms: ['NP 0F AE/7 Mb feature:clflush'],
  run(e, f) {
    e.loadAt(f.dst, 0, 8);
  },
});

/** RCX (ECX) must be 0: no extensions exist. The address is checked by reading a byte. */
const monitor = defineInstruction({
  name: 'monitor',
  flags: {},
  forms: ['NP 0F 01 C8 BA feature:monitor'],
  run(e, f) {
    e.raiseIf(e.ne(e.cpl(), e.const(0)), 6);
    e.raiseIf(e.ne(e.reg(f.mode === 'long' ? 64 : 32, 1), e.const(0)), 13, e.const(0));
    e.loadAt(f.dst, 0, 8);
    e.slow('monitor', e.linear(f.dst));
  },
});

const mwait = defineInstruction({
  name: 'mwait',
  flags: {},
  forms: ['NP 0F 01 C9 feature:monitor'],
  run(e) {
    e.raiseIf(e.ne(e.cpl(), e.const(0)), 6);
    e.slow('mwait');
  },
});

/** EFLAGS.AC for SMAP; outside CPL 0 the opcode does not exist. */
const accessControl = (name: 'clac' | 'stac', form: string): Definition =>
  defineInstruction({
    name,
    flags: {},
    forms: [form],
    run(e) {
      e.raiseIf(e.ne(e.cpl(), e.const(0)), 6);
      const flags = e.systemFlags();
      e.setSystemFlags(name === 'stac' ? e.or(flags, e.const(0x40000)) : e.and(flags, e.const(0x7ffbffff)));
    },
  });

/** Does nothing, its operands included: a memory operand is not touched. */
const hint = (name: string, forms: readonly string[]): Definition => defineInstruction({ name, flags: {}, forms, run() {} });

const pause = defineInstruction({
  name: 'pause',
  flags: {},
  forms: ['F3 90'],
  run(e: Emitter) {
    e.slow('pause');
  },
});

export const definitions: readonly Definition[] = [
  routine('syscall', '0F 05 long', 'syscall'),
  sized('{sysret,sysret,sysretq}', '0F 07 long', 'sysret'),
  routine('sysenter', '0F 34 feature:sysenter', 'sysenter'),
  sized('{sysexit,sysexit,sysexitq}', '0F 35 feature:sysenter', 'sysexit'),
  routine('rsm', '0F AA', 'rsm'),
  supervisor('hlt', 'F4', 'hlt'),
  supervisor('invd', '0F 08', 'flushAll'),
  supervisor('wbinvd', '0F 09', 'flushAll'),
  portIn,
  portOut,
  invlpg,
  invpcid,
  clflush,
  monitor,
  mwait,
  accessControl('clac', 'NP 0F 01 CA feature:smap'),
  accessControl('stac', 'NP 0F 01 CB feature:smap'),
  pause,
  hint('nop', [
    '90',
    '0F 1F/0 Ev',
    '0F 18/4 Ev',
    '0F 18/5 Ev',
    '0F 18/6 Ev',
    '0F 18/7 Ev',
    '0F 19 Ev',
    '0F 1A Ev',
    '0F 1B Ev',
    '0F 1C Ev',
    '0F 1D Ev',
    '0F 1E Ev',
  ]),
  hint(
    'nop',
    [...Array(7).keys()].map((i) => `0F 1F/${i + 1} Ev`),
  ),
  hint('nop', ['0F 18/0 Ev mod3', '0F 18/1 Ev mod3', '0F 18/2 Ev mod3', '0F 18/3 Ev mod3']),
  hint('prefetchnta', ['0F 18/0 Mb']),
  hint('prefetcht0', ['0F 18/1 Mb']),
  hint('prefetcht1', ['0F 18/2 Mb']),
  hint('prefetcht2', ['0F 18/3 Mb']),
  hint('prefetch', ['0F 0D/0 Mb', '0F 0D/2 Mb', '0F 0D/3 Mb', '0F 0D/4 Mb', '0F 0D/5 Mb', '0F 0D/6 Mb', '0F 0D/7 Mb']),
  hint('prefetchw', ['0F 0D/1 Mb']),
  hint('nop', ['0F 0D Ev mod3']),
  hint('endbr64', ['F3 0F 1E FA']),
  hint('endbr32', ['F3 0F 1E FB']),
];
