/** SSE to SSE4.1 moves: loads, stores, halves, duplicates, masks, non-temporal forms (SDM vol. 2). */
import { defineInstruction } from '../define.ts';
import type { Emitter, Facts } from '../emitter.ts';
import type { Definition } from '../form.ts';
import { enterMmx, requireFor, requireMmx, requireSse, writeMmx } from '../mmx/state.ts';

/** Whole registers and 16 bytes of memory. */
function wholeMove(name: string, forms: readonly string[], aligned: boolean): Definition {
  return defineInstruction({
    name,
    forms,
    flags: { reads: '', writes: '' },
    run(e, { dst, src }) {
      requireSse(e);
      e.writeVec(dst, e.readVec(src, aligned), aligned);
    },
  });
}

const wholeMoves = [
  wholeMove('movups', ['NP 0F 10 Vps,Wps feature:sse', 'NP 0F 11 Wps,Vps feature:sse'], false),
  wholeMove('movupd', ['66 0F 10 Vpd,Wpd feature:sse2', '66 0F 11 Wpd,Vpd feature:sse2'], false),
  wholeMove('movaps', ['NP 0F 28 Vps,Wps feature:sse', 'NP 0F 29 Wps,Vps feature:sse'], true),
  wholeMove('movapd', ['66 0F 28 Vpd,Wpd feature:sse2', '66 0F 29 Wpd,Vpd feature:sse2'], true),
  wholeMove('movdqa', ['66 0F 6F Vx,Wx feature:sse2', '66 0F 7F Wx,Vx feature:sse2'], true),
  wholeMove('movdqu', ['F3 0F 6F Vx,Wx feature:sse2', 'F3 0F 7F Wx,Vx feature:sse2'], false),
  wholeMove('lddqu', ['F2 0F F0 Vx,Mx feature:sse3'], false),
  wholeMove('movntps', ['NP 0F 2B Mps,Vps feature:sse'], true),
  wholeMove('movntpd', ['66 0F 2B Mpd,Vpd feature:sse2'], true),
  wholeMove('movntdq', ['66 0F E7 Mx,Vx feature:sse2'], true),
  wholeMove('movntdqa', ['66 0F 38 2A Vx,Mx feature:sse41'], true),
];

/** A scalar: between registers the rest of the destination stays, a load clears it. */
function scalarMove(name: string, forms: readonly string[]): Definition {
  return defineInstruction({
    name,
    forms,
    flags: { reads: '', writes: '' },
    run(e, { dst, src }) {
      requireSse(e);
      const value = e.read(src);
      if (src.kind === 'mem') e.writeVec(dst, e.vecFromInts(value, e.const(0)), true);
      else e.write(dst, value);
    },
  });
}

/** A scalar into a register whose other bits become zero, or into memory. */
function zeroingMove(name: string, forms: readonly string[]): Definition {
  return defineInstruction({
    name,
    forms,
    flags: { reads: '', writes: '' },
    run(e, { dst, src }) {
      requireSse(e);
      const value = e.read(src);
      if (dst.kind === 'xmm') e.writeVec(dst, e.vecFromInts(value, e.const(0)), true);
      else e.write(dst, value);
    },
  });
}

/** Between an MMX and an XMM register; both units must be usable. */
function betweenUnits(name: string, form: string): Definition {
  return defineInstruction({
    name,
    forms: [form],
    flags: { reads: '', writes: '' },
    run(e, { dst, src }) {
      requireSse(e);
      requireMmx(e);
      const value = e.read(src);
      enterMmx(e);
      if (dst.kind === 'xmm') e.writeVec(dst, e.vecFromInts(value, e.const(0)), true);
      else e.write(dst, value);
    },
  });
}

const scalarMoves = [
  scalarMove('movss', ['F3 0F 10 Vss,Wss feature:sse', 'F3 0F 11 Wss,Vss feature:sse']),
  scalarMove('movsd', ['F2 0F 10 Vsd,Wsd feature:sse2', 'F2 0F 11 Wsd,Vsd feature:sse2']),
  zeroingMove('movq', ['F3 0F 7E Vq,Wq feature:sse2', '66 0F D6 Wq,Vq feature:sse2']),
  zeroingMove('mov{x,d,q}', ['66 0F 6E Vy,Ey feature:sse2', '66 0F 7E Ey,Vy feature:sse2']),
  betweenUnits('movq2dq', 'F3 0F D6 Vq,Nq feature:sse2'),
  betweenUnits('movdq2q', 'F2 0F D6 Pq,Uq feature:sse2'),
];

const mmxMoves = [
  defineInstruction({
    name: 'mov{x,d,q}',
    forms: ['NP 0F 6E Py,Ey feature:mmx', 'NP 0F 7E Ey,Py feature:mmx'],
    flags: { reads: '', writes: '' },
    run(e, { dst, src }) {
      requireMmx(e);
      if (dst.kind === 'mmx') {
        writeMmx(e, dst, e.read(src));
        return;
      }
      e.write(dst, e.trunc(dst.width === 64 ? 64 : 32, e.read(src)));
      enterMmx(e);
    },
  }),
  defineInstruction({
    name: 'movq',
    forms: ['NP 0F 6F Pq,Qq feature:mmx', 'NP 0F 7F Qq,Pq feature:mmx'],
    flags: { reads: '', writes: '' },
    run: moveMmx,
  }),
  defineInstruction({ name: 'movntq', forms: ['NP 0F E7 Mq,Pq feature:sse'], flags: { reads: '', writes: '' }, run: moveMmx }),
];

function moveMmx(e: Emitter, { dst, src }: Facts): void {
  requireMmx(e);
  e.write(dst, e.read(src));
  enterMmx(e);
}

/** Load or store one half of a register, and moves between halves. */
function halfLoad(name: string, form: string, half: 0 | 1): Definition {
  return defineInstruction({
    name,
    forms: [form],
    flags: { reads: '', writes: '' },
    run(e, { dst, src }) {
      requireSse(e);
      e.writeVec(dst, e.vecReplace(64, e.readVec(dst, true), half, e.read(src)), true);
    },
  });
}

function halfStore(name: string, form: string, half: 0 | 1): Definition {
  return defineInstruction({
    name,
    forms: [form],
    flags: { reads: '', writes: '' },
    run(e, { dst, src }) {
      requireSse(e);
      e.write(dst, e.vecLane(64, e.readVec(src, true), half));
    },
  });
}

const halfMoves = [
  halfLoad('movlps', 'NP 0F 12 Vx,Mq feature:sse', 0),
  halfLoad('movlpd', '66 0F 12 Vx,Mq feature:sse2', 0),
  halfLoad('movhps', 'NP 0F 16 Vx,Mq feature:sse', 1),
  halfLoad('movhpd', '66 0F 16 Vx,Mq feature:sse2', 1),
  halfStore('movlps', 'NP 0F 13 Mq,Vx feature:sse', 0),
  halfStore('movlpd', '66 0F 13 Mq,Vx feature:sse2', 0),
  halfStore('movhps', 'NP 0F 17 Mq,Vx feature:sse', 1),
  halfStore('movhpd', '66 0F 17 Mq,Vx feature:sse2', 1),
  defineInstruction({
    name: 'movhlps',
    forms: ['NP 0F 12 Vx,Ux feature:sse'],
    flags: { reads: '', writes: '' },
    run(e, { dst, src }) {
      requireSse(e);
      e.writeVec(dst, e.vecReplace(64, e.readVec(dst, true), 0, e.vecLane(64, e.readVec(src, true), 1)), true);
    },
  }),
  defineInstruction({
    name: 'movlhps',
    forms: ['NP 0F 16 Vx,Ux feature:sse'],
    flags: { reads: '', writes: '' },
    run(e, { dst, src }) {
      requireSse(e);
      e.writeVec(dst, e.vecReplace(64, e.readVec(dst, true), 1, e.vecLane(64, e.readVec(src, true), 0)), true);
    },
  }),
];

function duplicate(name: string, form: string, lanes: readonly number[]): Definition {
  return defineInstruction({
    name,
    forms: [form],
    flags: { reads: '', writes: '' },
    run(e, { dst, src }) {
      requireSse(e);
      const a = src.width === 64 ? e.vecFromInts(e.read(src), e.const(0)) : e.readVec(src, true);
      e.writeVec(dst, e.vecShuffle(lanes, a, a), true);
    },
  });
}

const duplicates = [
  duplicate('movsldup', 'F3 0F 12 Vx,Wx feature:sse3', [0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11]),
  duplicate('movshdup', 'F3 0F 16 Vx,Wx feature:sse3', [4, 5, 6, 7, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15]),
  duplicate('movddup', 'F2 0F 12 Vx,Wq feature:sse3', [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7]),
];

function signMask(name: string, forms: readonly string[], bits: 8 | 32 | 64): Definition {
  return defineInstruction({
    name,
    forms,
    flags: { reads: '', writes: '' },
    run(e, { dst, src }) {
      requireFor(e, src);
      const wide = src.kind === 'mmx' ? e.vecFromInts(e.read(src), e.const(0)) : e.readVec(src, true);
      if (src.kind === 'mmx') enterMmx(e);
      e.write(dst, e.vecBitmask(bits, wide));
    },
  });
}

const signMasks = [
  signMask('movmskps', ['NP 0F 50 Gd,Ux width32 feature:sse'], 32),
  signMask('movmskpd', ['66 0F 50 Gd,Ux width32 feature:sse2'], 64),
  signMask('pmovmskb', ['NP 0F D7 Gd,Nq width32 feature:sse', '66 0F D7 Gd,Ux width32 feature:sse2'], 8),
];

/** Store the bytes whose mask byte has its top bit set at [source segment:rDI]; the others are not touched. */
function maskedStore(name: string, form: string, bytes: 8 | 16): Definition {
  return defineInstruction({
    name,
    forms: [form],
    flags: { reads: '', writes: '' },
    run(e, { dst, src, addressWidth }) {
      requireFor(e, dst);
      const [data, mask] = [dst, src].map((op) => (bytes === 8 ? e.vecFromInts(e.read(op), e.const(0)) : e.readVec(op, true)));
      if (data === undefined || mask === undefined) return;
      const start = e.reg(addressWidth, 7);
      const wanted = e.var(e.vecBitmask(8, mask));
      const parts = [e.var(e.vecLane(64, data, 0)), e.var(e.vecLane(64, data, 1))] as const;
      const at = e.var(e.const(0));
      e.while(
        () => e.ne(e.get(wanted), e.const(0)),
        () => {
          e.if(e.bit(e.get(wanted), 0), () => {
            e.store(8, 'source', e.add(addressWidth, start, e.get(at)), e.trunc(8, e.get(parts[0])));
          });
          const [low, high] = [e.get(parts[0]), e.get(parts[1])];
          e.set(parts[0], e.or(e.shr(64, low, e.const(8)), e.shl(64, high, e.const(56))));
          e.set(parts[1], e.shr(64, high, e.const(8)));
          e.set(wanted, e.shr(64, e.get(wanted), e.const(1)));
          e.set(at, e.add(64, e.get(at), e.const(1)));
        },
      );
      if (bytes === 8) enterMmx(e);
    },
  });
}

const others = [
  maskedStore('maskmovq', 'NP 0F F7 Pq,Nq feature:sse', 8),
  maskedStore('maskmovdqu', '66 0F F7 Vx,Ux feature:sse2', 16),
  defineInstruction({
    name: 'movnti',
    forms: ['NP 0F C3 My,Gy feature:sse2'],
    flags: { reads: '', writes: '' },
    run(e, { dst, src }) {
      e.write(dst, e.read(src));
    },
  }),
  defineInstruction({
    name: 'emms',
    forms: ['NP 0F 77 feature:mmx'],
    flags: { reads: '', writes: '' },
    run(e) {
      requireMmx(e);
      e.setField('ftop', e.const(0));
      e.setField('ftag', e.const(0));
    },
  }),
];

export const moves: readonly Definition[] = [
  ...wholeMoves,
  ...scalarMoves,
  ...mmxMoves,
  ...halfMoves,
  ...duplicates,
  ...signMasks,
  ...others,
];
