/** BT, BTS, BTR, BTC, BSF, BSR, POPCNT, CRC32 (SDM vol. 2). */
import { type Definition, defineInstruction } from '../define.ts';
import type { Emitter, Int, Width } from '../emitter.ts';

type BitChange = 'bt' | 'bts' | 'btr' | 'btc';

/** New value of `old` with bit `index` (below the width) changed. */
function changed(e: Emitter, name: BitChange, values: { old: Int; index: Int; width: Width }): Int {
  const mask = e.shl(64, e.const(1), values.index);
  if (name === 'bts') return e.or(values.old, mask);
  return name === 'btr' ? e.and(values.old, e.not(64, mask)) : e.xor(values.old, mask);
}

/** Only C changes. */
const setCarry = (e: Emitter, old: Int, index: Int): void => e.flags({ C: e.bit(e.shr(64, old, index), 0) });

/**
 * A register index reaches beyond a memory operand: its upper bits, signed, choose the word (SDM vol. 2, BT). An immediate index is taken
 * modulo the width.
 */
const bitTest = (name: BitChange, opcode: string, digit: number): Definition[] => {
  const lock = name === 'bt' ? '' : ' lock';
  return [
    defineInstruction({
      name,
      flags: { writes: 'C' },
      forms: [`0F ${opcode} Ev,Gv${lock}`],
      run(e, f) {
        const { width } = f;
        const number = e.read(f.src);
        const index = e.and(number, e.const(width - 1));
        if (f.dst.kind === 'reg') {
          const old =
            name === 'bt' ? e.read(f.dst) : e.update(f.dst, (value) => changed(e, name, { old: value, index, width }))[0];
          setCarry(e, old, index);
          return;
        }
        const shift = { 16: 4, 32: 5, 64: 6 }[width as 16];
        const offset = e.shl(64, e.sar(64, e.sext(width, number), e.const(shift)), e.const(shift - 3));
        if (name === 'bt') setCarry(e, e.loadAt(f.dst, offset, width), index);
        else
          setCarry(
            e,
            e.updateAt(f.dst, { offset, width, lock: f.lock }, (value) => changed(e, name, { old: value, index, width }))[0],
            index,
          );
      },
    }),
    defineInstruction({
      name,
      flags: { writes: 'C' },
      forms: [`0F BA/${digit} Ev,Ib${lock}`],
      run(e, f) {
        const { width } = f;
        const index = e.and(e.read(f.src), e.const(width - 1));
        const old =
          name === 'bt' ? e.read(f.dst) : e.update(f.dst, (value) => changed(e, name, { old: value, index, width }), f.lock)[0];
        setCarry(e, old, index);
      },
    }),
  ];
};

/** With a zero source the destination keeps its value, all 64 bits of it. P follows the result; O, S, A and C are cleared. */
const bitScan = (name: 'bsf' | 'bsr', opcode: string): Definition =>
  defineInstruction({
    name,
    flags: { writes: 'OSZAPC' },
    forms: [`0F ${opcode} Gv,Ev`],
    run(e, f) {
      const source = e.read(f.src);
      const zero = e.eq(source, e.const(0));
      const index = e.select(zero, e.const(0), name === 'bsf' ? e.ctz(source) : e.sub(64, e.const(63), e.clz(source)));
      e.if(e.notB(zero), () => e.write(f.dst, index));
      const no = e.false();
      e.flags({ width: 64, result: index, Z: zero, C: no, O: no, A: no });
    },
  });

const popcnt = defineInstruction({
  name: 'popcnt',
  flags: { writes: 'OSZAPC' },
  forms: ['F3 0F B8 Gv,Ev feature:popcnt'],
  run(e, f) {
    const source = e.read(f.src);
    e.write(f.dst, e.popcnt(source));
    const no = e.false();
    e.flags({ Z: e.eq(source, e.const(0)), C: no, O: no, S: no, A: no, P: no });
  },
});

/** The Castagnoli polynomial 11EDC6F41, bits reversed. */
const CRC32C = 0x82f63b78n;

/** Feed the low `bits` bits of `data` into a reflected CRC, least significant bit first. */
function crc32c(e: Emitter, bits: number, { crc, data }: { crc: Int; data: Int }): Int {
  const state = e.var(e.xor(crc, data));
  const left = e.var(e.const(bits));
  e.while(
    () => e.ne(e.get(left), e.const(0)),
    () => {
      const value = e.get(state);
      const polynomial = e.select(e.bit(value, 0), e.const(CRC32C), e.const(0));
      e.set(state, e.xor(e.shr(64, value, e.const(1)), polynomial));
      e.set(left, e.sub(64, e.get(left), e.const(1)));
    },
  );
  return e.get(state);
}

const crc32 = defineInstruction({
  name: 'crc32',
  flags: {},
  forms: ['F2 0F 38 F0 Gy,Eb feature:sse42', 'F2 0F 38 F1 Gy,Ev feature:sse42'],
  run(e, f) {
    const data = e.read(f.src);
    const crc = e.trunc(32, e.read(f.dst));
    // A 64-bit lane holds the CRC in its low half while data bits above it are shifted in, so 64 bits of data go in two steps.
    if (f.src.width !== 64) {
      e.write(f.dst, crc32c(e, f.src.width, { crc, data }));
      return;
    }
    const low = crc32c(e, 32, { crc, data: e.trunc(32, data) });
    e.write(f.dst, crc32c(e, 32, { crc: low, data: e.shr(64, data, e.const(32)) }));
  },
});

export const definitions: readonly Definition[] = [
  ...bitTest('bt', 'A3', 4),
  ...bitTest('bts', 'AB', 5),
  ...bitTest('btr', 'B3', 6),
  ...bitTest('btc', 'BB', 7),
  bitScan('bsf', 'BC'),
  bitScan('bsr', 'BD'),
  popcnt,
  crc32,
];
