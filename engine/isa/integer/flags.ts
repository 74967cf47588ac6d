/**
 * Instructions about RFLAGS (SDM vol. 2: PUSHF, POPF, CLI, STI, CLD, STD, CLC, STC, CMC). The common cases are inline; where virtual-8086
 * extensions or the trap flag come in, a slow routine decides.
 */
import { type Definition, defineInstruction } from '../define.ts';
import type { Bool, Emitter, Int } from '../emitter.ts';

const IF = 0x200;
const TF = 0x100;
const IOPL = 0x3000;
const NT = 0x4000;
const AC = 0x40000;
const ID = 0x200000;
const DF = 0x400;
/** What PUSHF stores: everything but RF and VM. */
const IMAGE = 0xfcffff;

const iopl = (e: Emitter): Int => e.and(e.shr(64, e.systemFlags(), e.const(12)), e.const(3));
const mayChangeIf = (e: Emitter): Bool => e.leU(e.cpl(), iopl(e));
const generalProtection = (e: Emitter): void => e.raise(13, e.const(0));

/** In virtual-8086 mode with IOPL below 3: #GP, unless CR4.VME gives PUSHF with IF from VIF and IOPL 3. */
const pushf = defineInstruction({
  name: '{pushf,pushfd,pushfq}',
  flags: { reads: 'OSZAPC' },
  forms: ['9C d64'],
  run(e, f) {
    const { width } = f;
    const image = e.and(e.or(e.systemFlags(), e.status()), e.const(IMAGE));
    if (f.mode !== 'vm86') {
      e.push(width, e.trunc(width, image));
      return;
    }
    e.if(
      e.eq(iopl(e), e.const(3)),
      () => e.push(width, e.trunc(width, image)),
      () => {
        if (width !== 16) generalProtection(e);
        else {
          e.raiseIf(e.notB(e.bit(e.field('cr4'), 0)), 13, e.const(0));
          const virtual = e.select(e.bit(image, 19), e.const(IF | IOPL), e.const(IOPL));
          e.push(16, e.or(e.and(image, e.const(0xffff & ~(IF | IOPL))), virtual));
        }
      },
    );
  },
});

/** Flags that may be changed at this privilege: IF up to IOPL, IOPL itself at CPL 0 only. VIF, VIP, VM and RF never (RF is cleared). */
function changeable(e: Emitter, width: number): Int {
  const always = TF | DF | NT | (width === 16 ? 0 : AC | ID);
  const own = e.select(mayChangeIf(e), e.const(always | IF), e.const(always));
  return e.select(e.eq(e.cpl(), e.const(0)), e.const(always | IF | IOPL), own);
}

const popf = defineInstruction({
  name: '{popf,popfd,popfq}',
  flags: { writes: 'OSZAPC' },
  forms: ['9D d64'],
  run(e, f) {
    const { width } = f;
    const value = e.peek(width, 0);
    if (f.mode === 'vm86') {
      // With IOPL below 3 only VME with 16-bit operands goes on, and not when the new IF meets a pending VIP or TF would be set.
      e.if(e.ne(iopl(e), e.const(3)), () => {
        if (width !== 16) generalProtection(e);
        const pending = e.andB(e.bit(value, 9), e.bit(e.systemFlags(), 20));
        const allowed = e.andB(e.bit(e.field('cr4'), 0), e.notB(e.orB(pending, e.bit(value, 8))));
        e.raiseIf(e.notB(allowed), 13, e.const(0));
      });
      e.adjustSp(width / 8);
      e.slow('popf', value, e.const(width));
      return;
    }
    e.adjustSp(width / 8);
    const old = e.systemFlags();
    e.if(
      e.bit(e.xor(old, value), 8),
      () => {
        e.slow('popf', value, e.const(width));
      },
      () => {
        const mask = changeable(e, width);
        e.setStatus(value);
        e.setSystemFlags(e.or(e.and(old, e.not(64, mask)), e.and(value, mask)));
        e.endBlock();
      },
    );
  },
});

const setSystem = (e: Emitter, bit: number, on: boolean): void => {
  const flags = e.systemFlags();
  e.setSystemFlags(on ? e.or(flags, e.const(bit)) : e.and(flags, e.const(0x7fffffff & ~bit)));
};

const cli = defineInstruction({
  name: 'cli',
  flags: {},
  forms: ['FA'],
  run(e) {
    e.if(
      mayChangeIf(e),
      () => setSystem(e, IF, false),
      () => {
        e.slow('cliSti', e.const(0));
      },
    );
  },
});

/** Interrupts stay off for one more instruction, but only where they were off before. */
const sti = defineInstruction({
  name: 'sti',
  flags: {},
  forms: ['FB'],
  run(e) {
    e.if(
      mayChangeIf(e),
      () => {
        e.if(e.notB(e.bit(e.systemFlags(), 9)), () => {
          setSystem(e, IF, true);
          e.interruptShadow('sti');
          e.finish();
        });
      },
      () => {
        e.slow('cliSti', e.const(1));
      },
    );
  },
});

const direction = (name: string, opcode: string, on: boolean): Definition =>
  defineInstruction({ name, flags: { writes: 'D' }, forms: [opcode], run: (e) => setSystem(e, DF, on) });

const carry = (name: string, opcode: string, value: (e: Emitter) => Bool): Definition =>
  defineInstruction({
    name,
    flags: { reads: name === 'cmc' ? 'C' : '', writes: 'C' },
    forms: [opcode],
    run: (e) => e.flags({ C: value(e) }),
  });

export const definitions: readonly Definition[] = [
  pushf,
  popf,
  cli,
  sti,
  direction('cld', 'FC', false),
  direction('std', 'FD', true),
  carry('clc', 'F8', (e) => e.false()),
  carry('stc', 'F9', (e) => e.true()),
  carry('cmc', 'F5', (e) => e.notB(e.flag('C'))),
];
