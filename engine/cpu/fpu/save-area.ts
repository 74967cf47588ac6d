/** FXSAVE, FXRSTOR, XSAVE and XRSTOR (SDM vol. 1, 10.5 and chapter 13): x87 and SSE state in the 512-byte legacy area, and the header. */
import { type Access, GuestFault, type SlowContext, type VcpuState } from '../context.ts';
import { MXCSR_MASK, setMxcsr } from './mxcsr.ts';
import { initialize, setStatusWord, statusWord } from './x87/environment.ts';

const X87 = 1;
const SSE = 2;
const HEADER = 512;
const LEGACY_BYTES = 512;
const AREA_BYTES = 576;
const REGISTERS = 32;
const XMM = 160;
const INITIAL_MXCSR = 0x1f80;

/** The area in guest memory, reached with the privilege of the program. Places are multiples of the width. */
interface Area {
  read(width: 32 | 64, at: number): bigint;
  write(width: 64, at: number, value: bigint): void;
}

const PAGE = 4096;

/** Pages are translated once, so every page fault comes before the first change. */
function areaAt(c: SlowContext, address: bigint, use: { bytes: number; write: boolean }): Area {
  const { memory, s } = c;
  const access: Access = s.cpl === 3 ? 'user' : 'supervisor';
  const left = PAGE - Number(address & 0xfffn);
  const first = memory.translate(address, access, use.write);
  const second = left < use.bytes ? memory.translate(BigInt.asUintN(64, address + BigInt(left)), access, use.write) - left : 0;
  const place = (at: number): number => (at < left ? first : second) + at;
  return {
    read: (width, at) => memory.readPhysical(width, place(at)),
    write: (width, at, value) => memory.writePhysical(width, place(at), value),
  };
}

/** XMM8 to XMM15 exist in 64-bit mode only: code segment with L, and IA32_EFER.LMA. */
const xmmCount = (s: VcpuState): number => ((s.lo('efer') & 0x400) !== 0 && (s.csAttr & 0x2000) !== 0 ? 16 : 8);

/** Index of a register's first half among the 64-bit words of memory; ST(i) is relative to TOP. */
const stWord = (s: VcpuState, i: number): number => (s.fpr.byteOffset + ((s.ftop + i) & 7) * 16) >>> 3;
const xmmWord = (s: VcpuState, i: number): number => (s.xmm.byteOffset + i * 16) >>> 3;

function saveX87(s: VcpuState, area: Area, wide: boolean): void {
  const head = BigInt(s.fcw) | (BigInt(statusWord(s)) << 16n) | (BigInt(s.ftag) << 32n) | (BigInt(s.fop) << 48n);
  area.write(64, 0, head);
  area.write(64, 8, wide ? s.fip : BigInt(s.lo('fip')) | (BigInt(s.fcs) << 32n));
  area.write(64, 16, wide ? s.fdp : BigInt(s.lo('fdp')) | (BigInt(s.fds) << 32n));
  for (let i = 0; i < 8; i++) {
    const at = REGISTERS + i * 16;
    const word = stWord(s, i);
    area.write(64, at, s.views.u64[word] as bigint);
    area.write(64, at + 8, (s.views.u64[word + 1] as bigint) & 0xffffn);
  }
}

function loadX87(s: VcpuState, area: Area, wide: boolean): void {
  const head = area.read(64, 0);
  s.fcw = (Number(head & 0xffffn) & 0x1f3f) | 0x40;
  setStatusWord(s, Number((head >> 16n) & 0xffffn));
  s.ftag = Number((head >> 32n) & 0xffn);
  s.fop = Number((head >> 48n) & 0x7ffn);
  const mask = wide ? 0xffff_ffff_ffff_ffffn : 0xffff_ffffn;
  s.fip = area.read(64, 8) & mask;
  s.fdp = area.read(64, 16) & mask;
  // Selectors are not kept (CPUID.7.0:EBX bit 13).
  s.fcs = 0;
  s.fds = 0;
  for (let i = 0; i < 8; i++) {
    const at = REGISTERS + i * 16;
    const word = stWord(s, i);
    s.views.u64[word] = area.read(64, at);
    s.views.u64[word + 1] = area.read(64, at + 8) & 0xffffn;
  }
}

function saveMxcsr(s: VcpuState, area: Area): void {
  area.write(64, 24, BigInt(s.mxcsr) | (BigInt(MXCSR_MASK) << 32n));
}

/** MXCSR of the area; #GP(0) when it has bits this processor has not. */
function checkedMxcsr(area: Area): number {
  const value = Number(area.read(32, 24));
  if ((value & ~MXCSR_MASK) !== 0) throw new GuestFault(13, 0);
  return value;
}

function saveXmm(s: VcpuState, area: Area): void {
  for (let i = 0; i < xmmCount(s); i++) {
    area.write(64, XMM + i * 16, s.views.u64[xmmWord(s, i)] as bigint);
    area.write(64, XMM + i * 16 + 8, s.views.u64[xmmWord(s, i) + 1] as bigint);
  }
}

function loadXmm(s: VcpuState, area: Area): void {
  for (let i = 0; i < xmmCount(s); i++) {
    s.views.u64[xmmWord(s, i)] = area.read(64, XMM + i * 16);
    s.views.u64[xmmWord(s, i) + 1] = area.read(64, XMM + i * 16 + 8);
  }
}

/** FXSAVE. `wide`: REX.W format with 64-bit pointers. */
export function fxsave(c: SlowContext, address: bigint, wide: boolean): void {
  const area = areaAt(c, address, { bytes: LEGACY_BYTES, write: true });
  saveX87(c.s, area, wide);
  saveMxcsr(c.s, area);
  saveXmm(c.s, area);
}

export function fxrstor(c: SlowContext, address: bigint, wide: boolean): void {
  const area = areaAt(c, address, { bytes: LEGACY_BYTES, write: false });
  const mxcsr = checkedMxcsr(area);
  loadX87(c.s, area, wide);
  setMxcsr(c.s, mxcsr);
  loadXmm(c.s, area);
}

/** XCR0 AND EDX:EAX: the components an instruction works on. */
function requested(s: VcpuState): number {
  return Number(s.xcr0 & (s.gpr[0] as bigint) & 0xffff_ffffn) & (X87 | SSE);
}

/** XSAVE, standard form. Both components count as in use always, which the manual allows, so XSAVEOPT saves the same. */
export function xsave(c: SlowContext, address: bigint, wide: boolean): void {
  const { s } = c;
  const area = areaAt(c, address, { bytes: AREA_BYTES, write: true });
  const components = requested(s);
  const before = area.read(64, HEADER);
  if ((components & X87) !== 0) saveX87(s, area, wide);
  if ((components & SSE) !== 0) {
    saveMxcsr(s, area);
    saveXmm(s, area);
  }
  area.write(64, HEADER, before | BigInt(components));
}

/** XRSTOR, standard form: a component that the area does not have gets its initial state (SDM vol. 1, 13.8). */
export function xrstor(c: SlowContext, address: bigint, wide: boolean): void {
  const { s } = c;
  const area = areaAt(c, address, { bytes: AREA_BYTES, write: false });
  const present = area.read(64, HEADER);
  const reserved = area.read(64, HEADER + 8) | area.read(64, HEADER + 16);
  if ((present & ~s.xcr0) !== 0n || reserved !== 0n) throw new GuestFault(13, 0);
  const components = requested(s);
  const has = Number(present & 0xffn);
  const mxcsr = (components & SSE) !== 0 ? checkedMxcsr(area) : INITIAL_MXCSR;
  if ((components & X87) !== 0) {
    if ((has & X87) !== 0) loadX87(s, area, wide);
    else {
      initialize(s);
      s.fpr.fill(0);
    }
  }
  if ((components & SSE) === 0) return;
  setMxcsr(s, mxcsr);
  if ((has & SSE) !== 0) loadXmm(s, area);
  else s.xmm.fill(0, 0, xmmCount(s) * 16);
}
