/** Descriptor tables and what is asked about selectors: SGDT to LTR, LAR, LSL, VERR, VERW, ARPL, BOUND (SDM vol. 2). */
import { type Definition, defineInstruction } from '../define.ts';
import type { Field } from '../fields.ts';
import { requireSupervisor } from './privilege.ts';

/** The base is stored whole even with 16-bit operand size, as every processor since the 386 does. */
const storeTable = (name: string, digit: number, base: Field, limit: Field): Definition =>
  defineInstruction({
    name,
    flags: {},
    forms: [`0F 01/${digit} Ms`],
    run(e, f) {
      const width = f.mode === 'long' ? 64 : 32;
      e.slow('storeTable');
      e.probeWrite(f.dst, 2 + width / 8);
      e.storeAt(f.dst, 0, 16, e.trunc(16, e.field(limit)));
      e.storeAt(f.dst, 2, width, e.trunc(width, e.field(base)));
    },
  });

/** With 16-bit operand size the base has 24 bits. */
const loadTable = (name: string, digit: number, routine: 'loadGdt' | 'loadIdt'): Definition =>
  defineInstruction({
    name,
    flags: {},
    forms: [`0F 01/${digit} Ms`],
    run(e, f) {
      requireSupervisor(e);
      const limit = e.loadAt(f.dst, 0, 16);
      const base = e.loadAt(f.dst, 2, f.mode === 'long' ? 64 : 32);
      const narrow = f.mode !== 'long' && f.width === 16;
      e.slow(routine, limit, narrow ? e.and(base, e.const(0xffffff)) : base);
    },
  });

const storeSelector = (name: string, digit: number, field: Field): Definition =>
  defineInstruction({
    name,
    flags: {},
    forms: [`0F 00/${digit} Rv/Mw protected`],
    run(e, f) {
      e.slow('storeSelector');
      e.write(f.dst, e.field(field));
    },
  });

const loadSelector = (name: string, digit: number, routine: 'loadLdt' | 'loadTr'): Definition =>
  defineInstruction({
    name,
    flags: {},
    forms: [`0F 00/${digit} Ew protected`],
    run(e, f) {
      requireSupervisor(e);
      e.slow(routine, e.read(f.dst));
    },
  });

const verify = (name: string, digit: number, write: number): Definition =>
  defineInstruction({
    name,
    flags: { writes: 'Z' },
    forms: [`0F 00/${digit} Ew protected`],
    run(e, f) {
      const [allowed] = e.slow('verify', e.read(f.dst), e.const(write));
      e.flags({ Z: e.ne(allowed, e.const(0)) });
    },
  });

const query = (name: string, opcode: string, routine: 'accessRights' | 'segmentLimit'): Definition =>
  defineInstruction({
    name,
    flags: { writes: 'Z' },
    forms: [`0F ${opcode} Gv,Ew protected`],
    run(e, f) {
      const [value, loaded] = e.slow(routine, e.read(f.src));
      const ok = e.ne(loaded, e.const(0));
      e.if(ok, () => e.write(f.dst, e.trunc(f.width, value)));
      e.flags({ Z: ok });
    },
  });

/** Memory is written only when the RPL is raised. */
const arpl = defineInstruction({
  name: 'arpl',
  flags: { writes: 'Z' },
  forms: ['63 Ew,Gw legacy protected'],
  run(e, f) {
    const selector = e.read(f.dst);
    const rpl = e.and(e.read(f.src), e.const(3));
    const raised = e.ltU(e.and(selector, e.const(3)), rpl);
    e.if(raised, () => e.write(f.dst, e.or(e.and(selector, e.const(0xfffc)), rpl)));
    e.flags({ Z: raised });
  },
});

const bound = defineInstruction({
  name: 'bound',
  flags: {},
  forms: ['62 Gv,Ma legacy'],
  run(e, f) {
    const { width } = f;
    const index = e.read(f.dst);
    const lower = e.loadAt(f.src, 0, width);
    const upper = e.loadAt(f.src, width / 8, width);
    e.raiseIf(e.orB(e.ltS(width, index, lower), e.ltS(width, upper, index)), 5);
  },
});

export const definitions: readonly Definition[] = [
  storeTable('sgdt', 0, 'gdtrBase', 'gdtrLimit'),
  storeTable('sidt', 1, 'idtrBase', 'idtrLimit'),
  loadTable('lgdt', 2, 'loadGdt'),
  loadTable('lidt', 3, 'loadIdt'),
  storeSelector('sldt', 0, 'ldtrSelector'),
  storeSelector('str', 1, 'trSelector'),
  loadSelector('lldt', 2, 'loadLdt'),
  loadSelector('ltr', 3, 'loadTr'),
  verify('verr', 4, 0),
  verify('verw', 5, 1),
  query('lar', '02', 'accessRights'),
  query('lsl', '03', 'segmentLimit'),
  arpl,
  bound,
];
