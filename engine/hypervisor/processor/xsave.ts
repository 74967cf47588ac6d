/** x87 and SSE registers as an XSAVE area in its standard form (SDM vol. 1, 13.4) and back. */
import { EngineError } from '../../base/index.ts';
import type { KvmFpu, KvmXsave } from '../index.ts';

const AREA = 4096;
/** Byte offsets in the area. */
const AT = {
  fcw: 0,
  fsw: 2,
  ftw: 4,
  fop: 6,
  fip: 8,
  fdp: 16,
  mxcsr: 24,
  mxcsrMask: 28,
  st: 32,
  xmm: 160,
  bitmap: 512,
  header: 520,
} as const;
const HEADER_END = 576;
const X87 = 1;
const SSE = 2;

/** What a component that the area leaves out is (SDM 13.6). */
export const INITIAL_FPU: KvmFpu = {
  fpr: Array.from({ length: 8 }, () => new Uint8Array(16)),
  fcw: 0x37f,
  fsw: 0,
  ftwx: 0,
  last_opcode: 0,
  last_ip: 0n,
  last_dp: 0n,
  xmm: Array.from({ length: 16 }, () => new Uint8Array(16)),
  mxcsr: 0x1f80,
};

export function xsaveOf(fpu: KvmFpu): KvmXsave {
  const region = new Uint8Array(AREA);
  const view = new DataView(region.buffer);
  view.setUint16(AT.fcw, fpu.fcw, true);
  view.setUint16(AT.fsw, fpu.fsw, true);
  region[AT.ftw] = fpu.ftwx;
  view.setUint16(AT.fop, fpu.last_opcode, true);
  view.setBigUint64(AT.fip, fpu.last_ip, true);
  view.setBigUint64(AT.fdp, fpu.last_dp, true);
  view.setUint32(AT.mxcsr, fpu.mxcsr, true);
  view.setUint32(AT.mxcsrMask, 0xffff, true);
  for (const [i, value] of fpu.fpr.entries()) region.set(value, AT.st + i * 16);
  for (const [i, value] of fpu.xmm.entries()) region.set(value, AT.xmm + i * 16);
  view.setUint32(AT.bitmap, X87 | SSE, true);
  return { region };
}

/** Components the area leaves out come from `initial`. Refused when it has components this processor does not have, or is compacted. */
export function fpuOf({ region }: KvmXsave, initial: KvmFpu): KvmFpu {
  const refuse = (reason: string): never => {
    throw new EngineError('register-value', { group: 'xsave', register: 'region', reason });
  };
  if (region.length !== AREA) refuse(`has ${region.length} bytes, not ${AREA}`);
  const view = new DataView(region.buffer, region.byteOffset, region.byteLength);
  const has = view.getUint32(AT.bitmap, true);
  if ((has & ~(X87 | SSE)) !== 0 || view.getUint32(AT.bitmap + 4, true) !== 0)
    refuse('has components this processor does not have');
  if (region.subarray(AT.header, HEADER_END).some((byte) => byte !== 0)) refuse('has a header that is not of the standard form');
  const part = (at: number) => Uint8Array.from(region.subarray(at, at + 16));
  const x87: Partial<KvmFpu> = {
    fpr: Array.from({ length: 8 }, (_, i) => part(AT.st + i * 16)),
    fcw: view.getUint16(AT.fcw, true),
    fsw: view.getUint16(AT.fsw, true),
    ftwx: region[AT.ftw] as number,
    last_opcode: view.getUint16(AT.fop, true),
    last_ip: view.getBigUint64(AT.fip, true),
    last_dp: view.getBigUint64(AT.fdp, true),
  };
  const sse: Partial<KvmFpu> = { xmm: Array.from({ length: 16 }, (_, i) => part(AT.xmm + i * 16)) };
  return {
    ...initial,
    ...((has & X87) === 0 ? {} : x87),
    ...((has & SSE) === 0 ? {} : sse),
    mxcsr: view.getUint32(AT.mxcsr, true),
  };
}
