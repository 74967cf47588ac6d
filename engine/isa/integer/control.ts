/** Jumps, calls, returns, loops, software interrupts (SDM vol. 2). Far transfers and interrupts are slow routines. */
import { type Definition, defineInstruction } from '../define.ts';
import type { Emitter, Int, Operand, Width } from '../emitter.ts';

const jmp = defineInstruction({
  name: 'jmp',
  flags: {},
  forms: ['EB Jb f64', 'E9 Jz f64'],
  run(e, f) {
    e.checkTarget(e.relTarget(f.dst));
    e.jumpRel(f.dst);
  },
});

const jmpIndirect = defineInstruction({
  name: 'jmp',
  flags: {},
  forms: ['FF/4 Ev f64'],
  run(e, f) {
    const target = e.read(f.dst);
    e.checkTarget(target);
    e.jump(target);
  },
});

const jcc = defineInstruction({
  name: 'j{cc}',
  flags: { reads: 'OSZPC' },
  forms: ['70+cc Jb f64', '0F 80+cc Jz f64'],
  run(e, f) {
    e.jumpRelIf(e.cond(f.cc), f.dst);
  },
});

/** The count changes only when the jump does not fault. */
const loop = (name: string, opcode: string, wanted: boolean | undefined): Definition =>
  defineInstruction({
    name,
    flags: wanted === undefined ? {} : { reads: 'Z' },
    forms: [`${opcode} Jb f64`],
    run(e, f) {
      const count = e.sub(f.addressWidth, e.reg(f.addressWidth, 1), e.const(1));
      const more = e.ne(count, e.const(0));
      const zero = wanted === undefined ? e.true() : e.flag('Z');
      const taken = e.andB(more, wanted === false ? e.notB(zero) : zero);
      e.if(taken, () => e.checkTarget(e.relTarget(f.dst)));
      e.setReg(f.addressWidth, 1, count);
      e.jumpRelIf(taken, f.dst);
    },
  });

const jcxz = defineInstruction({
  name: '{a:jcxz,jecxz,jrcxz}',
  flags: {},
  forms: ['E3 Jb f64'],
  run(e, f) {
    e.jumpRelIf(e.eq(e.reg(f.addressWidth, 1), e.const(0)), f.dst);
  },
});

const call = defineInstruction({
  name: 'call',
  flags: {},
  forms: ['E8 Jz f64'],
  run(e, f) {
    e.checkTarget(e.relTarget(f.dst));
    e.push(f.width, e.nextIp(f.width));
    e.jumpRel(f.dst);
  },
});

const callIndirect = defineInstruction({
  name: 'call',
  flags: {},
  forms: ['FF/2 Ev f64'],
  run(e, f) {
    const target = e.read(f.dst);
    e.checkTarget(target);
    e.push(f.width, e.nextIp(f.width));
    e.jump(target);
  },
});

const ret = defineInstruction({
  name: 'ret',
  flags: {},
  forms: ['C3 f64', 'C2 Iw f64'],
  run(e, f) {
    const size = f.width / 8;
    const target = e.peek(f.width, 0);
    e.checkTarget(target);
    e.adjustSp(f.operands.length === 0 ? size : e.add(64, e.read(f.dst), e.const(size)));
    e.jump(target);
  },
});

/** Selector and offset of a far pointer in memory. */
const farPointer = (e: Emitter, op: Operand, width: Width): [Int, Int] => {
  const offset = e.loadAt(op, 0, width);
  return [e.loadAt(op, width / 8, 16), offset];
};

const farTransfer = (routine: 'jumpFar' | 'callFar', direct: string, digit: number): Definition[] => {
  const name = routine === 'jumpFar' ? 'jmp far' : 'call far';
  return [
    defineInstruction({
      name,
      forms: [`${direct} Ap,Iw legacy`],
      run(e, f) {
        e.slow(routine, e.read(f.src), e.read(f.dst), e.const(f.width));
      },
    }),
    defineInstruction({
      name,
      forms: [`FF/${digit} Mp`],
      run(e, f) {
        const [selector, offset] = farPointer(e, f.dst, f.width);
        e.slow(routine, selector, offset, e.const(f.width));
      },
    }),
  ];
};

const retf = defineInstruction({
  name: 'retf',
  forms: ['CB', 'CA Iw'],
  run(e, f) {
    e.slow('returnFar', e.const(f.width), f.operands.length === 0 ? e.const(0) : e.read(f.dst));
  },
});

const iret = defineInstruction({
  name: '{iret,iretd,iretq}',
  forms: ['CF'],
  run(e, f) {
    e.slow('iret', e.const(f.width));
  },
});

const interrupt = (name: string, form: string, run: (e: Emitter, vector: Int) => void): Definition =>
  defineInstruction({
    name,
    forms: [form],
    run(e, f) {
      run(e, f.operands.length === 0 ? e.const(0) : e.read(f.dst));
    },
  });

const undefinedOpcode = (name: string, form: string): Definition =>
  defineInstruction({
    name,
    flags: {},
    forms: [form],
    run(e) {
      e.raise(6);
    },
  });

export const definitions: readonly Definition[] = [
  jmp,
  jmpIndirect,
  jcc,
  loop('loopne', 'E0', false),
  loop('loope', 'E1', true),
  loop('loop', 'E2', undefined),
  jcxz,
  call,
  callIndirect,
  ret,
  ...farTransfer('jumpFar', 'EA', 5),
  ...farTransfer('callFar', '9A', 3),
  retf,
  iret,
  interrupt('int', 'CD Ib', (e, vector) => e.slow('interrupt', vector, e.const(0))),
  interrupt('int3', 'CC', (e) => e.slow('interrupt', e.const(3), e.const(1))),
  interrupt('int1', 'F1', (e) => e.slow('interrupt', e.const(1), e.const(3))),
  interrupt('into', 'CE legacy', (e) => e.if(e.flag('O'), () => e.slow('interrupt', e.const(4), e.const(2)))),
  undefinedOpcode('ud0', '0F FF Gv,Ev'),
  undefinedOpcode('ud1', '0F B9 Gv,Ev'),
  undefinedOpcode('ud2', '0F 0B'),
];
