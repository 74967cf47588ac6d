/** Power-up, RESET, INIT and start-up IPI (SDM vol. 3, 9.1, table 9-1; 8.4). */
import { type SlowContext, type VcpuState, VmExit } from '../context.ts';
import { writeFlags } from '../flags.ts';
import type { CpuModel } from '../model/model.ts';
import { vcpuState } from '../state.ts';
import { exitGuest } from '../vmx/exit.ts';
import { ACTIVITY } from './idle.ts';
import { CR0, CS, cr0, RDX, setSegment } from './registers.ts';

const CACHE_BITS = CR0.CD | CR0.NW;
const DATA_RESET = { selector: 0, base: 0n, limit: 0xffff, attr: 0x93 } as const;

/** What power-up sets beyond the layout's reset values. vCPU 0 starts, the others wait for INIT and SIPI. */
export function resetVcpu(s: VcpuState, model: CpuModel, index: number): void {
  vcpuState.reset(s);
  s.index = index;
  s.physicalBits = model.physicalBits;
  s.miscEnable = model.miscEnable;
  s.gpr[RDX] = BigInt(model.signature);
  writeFlags(s, 2);
  s.activity = index === 0 ? ACTIVITY.running : ACTIVITY.waitForSipi;
}

/** Exit reasons (SDM vol. 3, appendix C). */
const EXIT_REASON = { init: 3, sipi: 4 } as const;

/** INIT in non-root operation is a VM exit; whether it was a reset. Not to be called while INIT is blocked (`initBlocked`). */
export function initVcpu(c: SlowContext): boolean {
  if (c.s.nonRoot !== 0 && c.s.monitored === 0) {
    exitGuest(c, new VmExit(EXIT_REASON.init));
    return false;
  }
  resetByInit(c);
  return true;
}

/** INIT: what INIT does not touch (x87 and SSE state, MTRRs, most MSRs, CR0.CD and NW) stays. vCPU 0 restarts at the reset vector. */
function resetByInit(c: SlowContext): void {
  const { s } = c;
  const cache = cr0(s) & CACHE_BITS;
  for (let i = 0; i < 16; i++) s.gpr[i] = 0n;
  s.gpr[RDX] = BigInt(c.features.signature);
  s.cr0 = BigInt((cache | CR0.ET) >>> 0);
  s.cr2 = 0n;
  s.cr3 = 0n;
  s.cr4 = 0n;
  s.efer = 0n;
  writeFlags(s, 2);
  for (const segment of [0, 2, 3, 4, 5]) setSegment(s, segment, DATA_RESET);
  setSegment(s, CS, { selector: 0xf000, base: 0xffff0000n, limit: 0xffff, attr: 0x9b });
  s.ldtrSelector = 0;
  s.ldtrBase = 0n;
  s.ldtrLimit = 0xffff;
  s.ldtrAttr = 0x82;
  s.trSelector = 0;
  s.trBase = 0n;
  s.trLimit = 0xffff;
  s.trAttr = 0x8b;
  s.gdtrBase = 0n;
  s.gdtrLimit = 0xffff;
  s.idtrBase = 0n;
  s.idtrLimit = 0xffff;
  for (let i = 0; i < 4; i++) s.dr[i] = 0n;
  s.dr6 = 0xffff0ff0n;
  s.dr7 = 0x400n;
  s.cpl = 0;
  s.nmiBlocked = 0;
  s.shadow = 0;
  s.excPending = 0;
  s.debugTraps = 0;
  s.activity = c.index === 0 ? ACTIVITY.running : ACTIVITY.waitForSipi;
  c.flushTlb('all');
  c.jumpTo(0xfff0n);
  c.modeChanged();
}

/** Start-up IPI: begin at vector × 4096 in real mode. Only a vCPU that waits for one takes it, a guest by a VM exit; returns whether it did. */
export function startVcpu(c: SlowContext, vector: number): boolean {
  const { s } = c;
  if (s.activity !== ACTIVITY.waitForSipi) return false;
  if (s.nonRoot !== 0 && s.monitored === 0) {
    exitGuest(c, new VmExit(EXIT_REASON.sipi, { qualification: BigInt(vector & 0xff) }));
    return true;
  }
  s.sipiVector = vector & 0xff;
  setSegment(s, CS, { selector: s.sipiVector << 8, base: BigInt(s.sipiVector << 12), limit: 0xffff, attr: 0x9b });
  s.activity = ACTIVITY.running;
  c.jumpTo(0n);
  c.modeChanged();
  return true;
}
