/** Members of the vCPU block that are computed from others: what generated code looks at instead of the architectural registers. */
import type { DecodeMode } from '../isa/variants.ts';
import type { VcpuState } from './context.ts';
import { FLAG } from './flags.ts';
import { WALK } from './routines/paging.ts';
import { REQUEST, vcpuState } from './state.ts';
import { breakpointsArmed } from './system/debug.ts';
import { initBlocked } from './system/idle.ts';
import { ATTR, CR0, cr0, cr4, EFER, efer, is64, isLongActive, isProtected, isVm86 } from './system/registers.ts';

const CR4_PSE = 1 << 4;
const CR4_PAE = 1 << 5;
const CR4_SMEP = 1 << 20;
const CR4_SMAP = 1 << 21;
const { fields } = vcpuState;
const SEGMENT_AT = fields.esSelector.offset;
const SEGMENT_STRIDE = fields.csSelector.offset - SEGMENT_AT;
const LIMIT_AT = fields.esLimit.offset - SEGMENT_AT;
const ATTR_AT = fields.esAttr.offset - SEGMENT_AT;
const BASE_AT = fields.esBase.offset - SEGMENT_AT;
const CS = 1;
/** Where the bits of flat segments begin in a mode key. */
export const FLAT = 6;
/** The bit of CS among them. */
export const FLAT_CODE = 1 << (FLAT + CS);
const KINDS = ['real', 'vm86', 'protected', 'long'] as const;

const segmentWord = (s: VcpuState, segment: number, at: number): number =>
  s.views.u32[(s.base + SEGMENT_AT + segment * SEGMENT_STRIDE + at) >>> 2] as number;

/** First and last offset inside a segment for reads (or writes), and whether it spans all 4 GiB from 0 for both. */
function segmentRange(s: VcpuState, segment: number, write: boolean): readonly [low: number, high: number] {
  const attr = segmentWord(s, segment, ATTR_AT);
  const limit = segmentWord(s, segment, LIMIT_AT);
  if (!isProtected(s) || isVm86(s)) return [0, limit];
  if ((attr & (ATTR.UNUSABLE | ATTR.P)) !== ATTR.P) return [1, 0];
  const code = (attr & ATTR.CODE) !== 0;
  const allowed = code ? !write && (attr & ATTR.WRITABLE) !== 0 : !write || (attr & ATTR.WRITABLE) !== 0;
  if (!allowed) return [1, 0];
  if (code || (attr & ATTR.CONFORMING) === 0) return [0, limit];
  const top = (attr & ATTR.DB) !== 0 ? 0xffffffff : 0xffff;
  return limit >= top ? [1, 0] : [limit + 1, top];
}

/** Ranges of all segments, and a bit per segment that needs no checks; that of CS: all 4 GiB from 0 are code. Data in it cannot be written. */
function deriveSegments(s: VcpuState): number {
  let flat = 0;
  for (let segment = 0; segment < 6; segment++) {
    const [readLow, readHigh] = segmentRange(s, segment, false);
    const [writeLow, writeHigh] = segmentRange(s, segment, true);
    s.segLow[segment] = readLow;
    s.segHigh[segment] = readHigh;
    s.segLow[segment + 6] = writeLow;
    s.segHigh[segment + 6] = writeHigh;
    const base = segmentWord(s, segment, BASE_AT) | segmentWord(s, segment, BASE_AT + 4);
    const isFlat =
      segment === CS
        ? s.csLimit === 0xffffffff
        : readLow === 0 && writeLow === 0 && readHigh === 0xffffffff && writeHigh === 0xffffffff;
    if (isFlat && base === 0) flat |= 1 << segment;
  }
  return flat;
}

function pagingMode(s: VcpuState): 0 | 1 | 2 | 3 {
  if ((cr0(s) & CR0.PG) === 0) return 0;
  if (isLongActive(s)) return 3;
  return (cr4(s) & CR4_PAE) !== 0 ? 2 : 1;
}

/** The mode in the manual's words. */
export function modeName(s: VcpuState): string {
  if (is64(s)) return '64-bit';
  if (isLongActive(s)) return 'compatibility';
  if (!isProtected(s)) return 'real';
  return isVm86(s) ? 'virtual-8086' : 'protected';
}

/**
 * Everything derived but the TLB context. Returns a number that changes when rights of translations may have changed. `watched`: every
 * data access is to be shown to a debugger.
 */
export function deriveMode(s: VcpuState, watched = false): number {
  const long = is64(s);
  // 64-bit code looks at no limits, and does not ask what data segments are.
  const flat = long ? 1 << CS : deriveSegments(s);
  const kind = !isProtected(s) ? 0 : isVm86(s) ? 1 : long ? 3 : 2;
  const code = long ? 2 : (s.csAttr & ATTR.DB) !== 0 && kind !== 1 ? 1 : 0;
  const stack = long ? 2 : (s.ssAttr & ATTR.DB) !== 0 && kind !== 1 ? 1 : 0;
  s.longMode = long ? 1 : 0;
  s.fetchBase = long ? 0n : s.csBase;
  s.modeKey = code | (stack << 2) | (kind << 4) | (flat << FLAT);
  s.paging = pagingMode(s);
  const control = cr4(s);
  s.walkFlags =
    ((cr0(s) & CR0.WP) !== 0 ? WALK.writeProtect : 0) |
    ((efer(s) & EFER.NXE) !== 0 ? WALK.noExecute : 0) |
    ((control & CR4_SMEP) !== 0 ? WALK.smep : 0) |
    ((control & CR4_SMAP) !== 0 ? WALK.smap : 0) |
    ((control & CR4_PSE) !== 0 ? WALK.pageSize : 0);
  const aligned = s.cpl === 3 && (s.sysFlags & FLAG.AC) !== 0 && (cr0(s) & CR0.AM) !== 0;
  s.alignCheck = aligned ? 1 : 0;
  s.slowData = (watched || breakpointsArmed(s, 'data') ? 1 : 0) | (aligned ? 2 : 0);
  derivePollMask(s, false);
  return s.walkFlags | (s.paging << 8) | (s.slowData << 12);
}

/** Request bits that may stop generated code now. `held`: this one instruction runs whatever is pending. */
export function derivePollMask(s: VcpuState, held: boolean): void {
  let mask = 0xffffffff;
  if (held || ((s.sysFlags & FLAG.I) === 0 && s.interruptExits === 0)) mask &= ~REQUEST.interrupt;
  if (initBlocked(s)) mask &= ~REQUEST.init;
  if (held || s.nmiBlocked !== 0 || s.monitored !== 0) mask &= ~REQUEST.nmi;
  if (held || (s.sysFlags & FLAG.I) === 0) mask &= ~REQUEST.window;
  if (held) mask &= ~REQUEST.debug;
  s.pollMask = mask >>> 0;
}

/** The decoder's mode behind a mode key. */
export function decodeModeOf(modeKey: number, features: number): DecodeMode {
  const sizes = [16, 32, 64] as const;
  return {
    code: sizes[(modeKey & 3) as 0 | 1 | 2],
    stack: sizes[((modeKey >>> 2) & 3) as 0 | 1 | 2],
    kind: KINDS[((modeKey >>> 4) & 3) as 0 | 1 | 2 | 3],
    features,
  };
}

/** Protected mode, compatibility mode included, but not virtual-8086. */
export const isProtectedKey = (modeKey: number): boolean => ((modeKey >>> 4) & 3) === 2;

/** Bit per segment where data needs no checks. */
export const flatSegmentsOf = (modeKey: number): number => (modeKey >>> FLAT) & 63 & ~(1 << CS);

/** No target is outside of the code segment: 64-bit code, and where all 4 GiB from 0 are code. */
export const endsNowhere = (modeKey: number): boolean => (modeKey & FLAT_CODE) !== 0;
