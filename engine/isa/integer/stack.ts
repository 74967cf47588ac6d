/** PUSH, POP, PUSHA, POPA, ENTER, LEAVE (SDM vol. 2). Segment registers on the stack: system/segments.ts. */
import { type Definition, defineInstruction } from '../define.ts';
import type { Emitter, Facts, Int } from '../emitter.ts';

const SP = 4;
const BP = 5;

const push = defineInstruction({
  name: 'push',
  flags: {},
  forms: ['50+r Zv d64', '68 Iz d64', '6A Ibs d64', 'FF/6 Ev d64'],
  run(e, f) {
    e.push(f.width, e.read(f.dst));
  },
});

/**
 * A memory operand based on rSP is addressed with rSP as it is after the pop: the decoder adds the operand size to its displacement
 * (attribute `popmem`), so that rSP itself changes only when the store has succeeded.
 */
const pop = defineInstruction({
  name: 'pop',
  flags: {},
  forms: ['58+r Zv d64', '8F/0 Ev d64 popmem'],
  run(e, f) {
    const { width } = f;
    if (f.dst.kind === 'reg') {
      e.write(f.dst, e.pop(width));
      return;
    }
    e.write(f.dst, e.peek(width, 0));
    e.adjustSp(width / 8);
  },
});

/** Offset of the stack pointer changed by `bytes`, truncated to the stack's size. */
const stackOffset = (e: Emitter, f: Facts, bytes: number): Int => e.add(f.stackWidth, e.reg(f.stackWidth, SP), e.const(bytes));

/** rSP changes once, after the last store. The value pushed for rSP is the one before. */
const pusha = defineInstruction({
  name: '{pusha,pushad,pushad}',
  flags: {},
  forms: ['60 legacy'],
  run(e, f) {
    const { width } = f;
    const size = width / 8;
    for (let number = 0; number < 8; number++)
      e.store(width, 'ss', stackOffset(e, f, -size * (number + 1)), e.reg(width, number));
    e.adjustSp(-8 * size);
  },
});

const popa = defineInstruction({
  name: '{popa,popad,popad}',
  flags: {},
  forms: ['61 legacy'],
  run(e, f) {
    const { width } = f;
    const size = width / 8;
    const numbers = [0, 1, 2, 3, 5, 6, 7];
    const values = numbers.map((number) => e.peek(width, (7 - number) * size));
    for (const [i, number] of numbers.entries()) e.setReg(width, number, values[i]!);
    e.adjustSp(8 * size);
  },
});

/** Copies the enclosing frame pointers of ENTER with a nesting level above 1; returns the offset of the last word pushed. */
function copyFrames(e: Emitter, f: Facts, level: Int, top: Int): Int {
  const { width, stackWidth } = f;
  const size = e.const(width / 8);
  const source = e.var(e.reg(stackWidth, BP));
  const stack = e.var(top);
  const left = e.var(e.sub(64, level, e.const(1)));
  e.while(
    () => e.ne(e.get(left), e.const(0)),
    () => {
      e.set(source, e.sub(stackWidth, e.get(source), size));
      const value = e.load(width, 'ss', e.get(source));
      e.set(stack, e.sub(stackWidth, e.get(stack), size));
      e.store(width, 'ss', e.get(stack), value);
      e.set(left, e.sub(64, e.get(left), e.const(1)));
    },
  );
  return e.get(stack);
}

/** Registers change last, after the new stack top has proved writable. */
const enter = defineInstruction({
  name: 'enter',
  flags: {},
  forms: ['C8 Iw,Ib d64'],
  run(e, f) {
    const { width, stackWidth } = f;
    const size = width / 8;
    const level = e.and(e.read(f.src), e.const(31));
    const frame = stackOffset(e, f, -size);
    e.store(width, 'ss', frame, e.reg(width, BP));
    const top = e.var(frame);
    e.if(e.ne(level, e.const(0)), () => {
      const last = copyFrames(e, f, level, frame);
      const own = e.sub(stackWidth, last, e.const(size));
      e.store(width, 'ss', own, e.trunc(width, frame));
      e.set(top, own);
    });
    const end = e.sub(stackWidth, e.get(top), e.read(f.dst));
    e.probeStore(8, 'ss', end);
    e.setReg(stackWidth, SP, end);
    e.setReg(width, BP, e.trunc(width, frame));
  },
});

const leave = defineInstruction({
  name: 'leave',
  flags: {},
  forms: ['C9 d64'],
  run(e, f) {
    const { width, stackWidth } = f;
    const frame = e.reg(stackWidth, BP);
    const value = e.load(width, 'ss', frame);
    e.setReg(stackWidth, SP, e.add(stackWidth, frame, e.const(width / 8)));
    e.setReg(width, BP, value);
  },
});

export const definitions: readonly Definition[] = [push, pop, pusha, popa, enter, leave];
