/** XCHG, XADD, CMPXCHG, CMPXCHG8B, CMPXCHG16B (SDM vol. 2). */
import { type Definition, defineInstruction } from '../define.ts';

/** With memory the exchange is locked, prefix or not. */
const xchg = defineInstruction({
  name: 'xchg',
  flags: {},
  forms: ['86 Eb,Gb lock', '87 Ev,Gv lock', '90+r Zv,rAX'],
  run(e, f) {
    const b = e.read(f.src);
    const [a] = e.update(f.dst, () => b, true);
    e.write(f.src, a);
  },
});

/** The sum goes to the destination last, so that it stays when both operands are one register. */
const xadd = defineInstruction({
  name: 'xadd',
  flags: { writes: 'OSZAPC' },
  forms: ['0F C0 Eb,Gb lock', '0F C1 Ev,Gv lock'],
  run(e, f) {
    const { width } = f;
    const b = e.read(f.src);
    if (f.dst.kind === 'reg') {
      const a = e.read(f.dst);
      const sum = e.add(width, a, b);
      e.write(f.src, a);
      e.write(f.dst, sum);
      e.flagsAdd(width, a, b, sum);
      return;
    }
    const [a, sum] = e.update(f.dst, (old) => e.add(width, old, b), f.lock);
    e.write(f.src, a);
    e.flagsAdd(width, a, b, sum);
  },
});

/** Memory is written in any case (a read-only page faults even when the comparison fails); of registers only the one that changes is. */
const cmpxchg = defineInstruction({
  name: 'cmpxchg',
  flags: { writes: 'OSZAPC' },
  forms: ['0F B0 Eb,Gb lock', '0F B1 Ev,Gv lock'],
  run(e, f) {
    const { width } = f;
    const expected = e.reg(width, 0);
    const desired = e.read(f.src);
    if (f.dst.kind === 'reg') {
      const old = e.read(f.dst);
      e.if(
        e.eq(old, expected),
        () => e.write(f.dst, desired),
        () => e.setReg(width, 0, old),
      );
      e.flagsSub(width, expected, old, e.sub(width, expected, old));
      return;
    }
    const [old] = e.update(f.dst, (value) => e.select(e.eq(value, expected), desired, value), f.lock);
    e.if(e.ne(old, expected), () => e.setReg(width, 0, old));
    e.flagsSub(width, expected, old, e.sub(width, expected, old));
  },
});

/** Only Z changes. rDX:rAX is loaded when the comparison fails. */
const cmpxchg8b = defineInstruction({
  name: '{cmpxchg8b,cmpxchg8b,cmpxchg16b}',
  flags: { writes: 'Z' },
  forms: ['0F C7/1 Mq lock'],
  run(e, f) {
    if (f.width === 64) {
      e.checkAligned(f.dst, 16);
      const expected = [e.reg(64, 0), e.reg(64, 2)] as [ReturnType<typeof e.reg>, ReturnType<typeof e.reg>];
      const [low, high] = e.compareExchange128(f.dst, { expected, desired: [e.reg(64, 3), e.reg(64, 1)] }, f.lock);
      const equal = e.andB(e.eq(low, expected[0]), e.eq(high, expected[1]));
      e.if(e.notB(equal), () => {
        e.setReg(64, 0, low);
        e.setReg(64, 2, high);
      });
      e.flags({ Z: equal });
      return;
    }
    const pair = (low: number, high: number) => e.or(e.reg(32, low), e.shl(64, e.reg(32, high), e.const(32)));
    const expected = pair(0, 2);
    const desired = pair(3, 1);
    const [old] = e.update(f.dst, (value) => e.select(e.eq(value, expected), desired, value), f.lock);
    const equal = e.eq(old, expected);
    e.if(e.notB(equal), () => {
      e.setReg(32, 0, e.trunc(32, old));
      e.setReg(32, 2, e.shr(64, old, e.const(32)));
    });
    e.flags({ Z: equal });
  },
});

export const definitions: readonly Definition[] = [xchg, xadd, cmpxchg, cmpxchg8b];
