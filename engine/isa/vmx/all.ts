/** The VMX instructions (SDM vol. 3, chapter 30). `vmxAllowed` makes all checks that come before the operands. */
import { type Definition, defineInstruction } from '../define.ts';
import type { Emitter, Int } from '../emitter.ts';
import type { SlowName } from '../fields.ts';

/** Basic exit reasons, by which `vmxAllowed` knows the instruction. */
const REASON = {
  vmcall: 18,
  vmclear: 19,
  vmlaunch: 20,
  vmptrld: 21,
  vmptrst: 22,
  vmread: 23,
  vmresume: 24,
  vmwrite: 25,
} as const;
const REASON2 = { vmxoff: 26, vmxon: 27, invept: 50, invvpid: 53 } as const;

/** VMsucceed 0, VMfailInvalid 1 (CF), VMfailValid 2 (ZF); the other status flags are cleared. */
function setOutcome(e: Emitter, status: Int): void {
  const no = e.ne(status, status);
  e.flags({ C: e.eq(status, e.const(1)), Z: e.eq(status, e.const(2)), P: no, A: no, S: no, O: no });
  e.endBlock();
}

const FLAGS = { writes: 'OSZAPC' } as const;

/** An instruction whose operand is a pointer to a region. */
const pointer = (name: string, form: string, slow: SlowName, reason: number): Definition =>
  defineInstruction({
    name,
    flags: FLAGS,
    forms: [form],
    run(e, f) {
      e.slow('vmxAllowed', e.const(reason));
      const [status] = e.slow(slow, e.loadAt(f.dst, 0, 64));
      setOutcome(e, status);
    },
  });

const plain = (name: string, form: string, slow: SlowName, reason: number): Definition =>
  defineInstruction({
    name,
    flags: FLAGS,
    forms: [form],
    run(e) {
      e.slow('vmxAllowed', e.const(reason));
      const [status] = e.slow(slow);
      setOutcome(e, status);
    },
  });

const entry = (name: string, form: string, reason: number, resume: number): Definition =>
  defineInstruction({
    name,
    forms: [form],
    run(e) {
      e.slow('vmxAllowed', e.const(reason));
      e.slow('vmEntry', e.const(resume));
    },
  });

const vmptrst = defineInstruction({
  name: 'vmptrst',
  flags: FLAGS,
  forms: ['NP 0F C7/7 Mq feature:vmx'],
  run(e, f) {
    e.slow('vmxAllowed', e.const(REASON.vmptrst));
    const [value] = e.slow('vmptrst');
    e.write(f.dst, value);
    setOutcome(e, e.const(0));
  },
});

const vmread = defineInstruction({
  name: 'vmread',
  flags: FLAGS,
  forms: ['NP 0F 78 Er,Gr feature:vmx'],
  run(e, f) {
    e.slow('vmxAllowed', e.const(REASON.vmread));
    const [value, status] = e.slow('vmread', e.read(f.src));
    e.if(e.eq(status, e.const(0)), () => e.write(f.dst, e.trunc(f.dst.width as 64, value)));
    setOutcome(e, status);
  },
});

const vmwrite = defineInstruction({
  name: 'vmwrite',
  flags: FLAGS,
  forms: ['NP 0F 79 Gr,Er feature:vmx'],
  run(e, f) {
    e.slow('vmxAllowed', e.const(REASON.vmwrite));
    const value = e.read(f.src);
    const [status] = e.slow('vmwrite', e.read(f.dst), value);
    setOutcome(e, status);
  },
});

/** At any privilege; outside of non-root operation it is undefined. */
const vmfunc = defineInstruction({
  name: 'vmfunc',
  forms: ['NP 0F 01 D4 feature:vmx'],
  run(e) {
    e.slow('vmfunc');
  },
});

const invalidate = (name: 'invept' | 'invvpid', opcode: string, reason: number): Definition =>
  defineInstruction({
    name,
    flags: FLAGS,
    forms: [`66 0F 38 ${opcode} Gr,Mdq feature:vmx`],
    run(e, f) {
      e.slow('vmxAllowed', e.const(reason));
      const low = e.loadAt(f.src, 0, 64);
      const [status] = e.slow(name, e.read(f.dst), low, e.loadAt(f.src, 8, 64));
      setOutcome(e, status);
    },
  });

export const definitions: readonly Definition[] = [
  pointer('vmxon', 'F3 0F C7/6 Mq feature:vmx', 'vmxon', REASON2.vmxon),
  pointer('vmclear', '66 0F C7/6 Mq feature:vmx', 'vmclear', REASON.vmclear),
  pointer('vmptrld', 'NP 0F C7/6 Mq feature:vmx', 'vmptrld', REASON.vmptrld),
  vmptrst,
  vmread,
  vmwrite,
  plain('vmcall', 'NP 0F 01 C1 feature:vmx', 'vmcall', REASON.vmcall),
  entry('vmlaunch', 'NP 0F 01 C2 feature:vmx', REASON.vmlaunch, 0),
  entry('vmresume', 'NP 0F 01 C3 feature:vmx', REASON.vmresume, 1),
  plain('vmxoff', 'NP 0F 01 C4 feature:vmx', 'vmxoff', REASON2.vmxoff),
  vmfunc,
  invalidate('invept', '80', REASON2.invept),
  invalidate('invvpid', '81', REASON2.invvpid),
];
