/** MSR areas of VM entry and VM exit (SDM vol. 3, 24.7.2, 26.4, 27.4, 27.6). */
import { GuestFault, type SlowContext } from '../context.ts';
import { readMsr, writeMsr } from '../system/msr.ts';
import type { VmcsFieldName } from './fields.ts';
import { get, get32 } from './region.ts';

interface Area {
  readonly address: VmcsFieldName;
  readonly count: VmcsFieldName;
}

/** What IA32_VMX_MISC (bits 27:25 clear) recommends as the most; longer lists fail there, or a transition could take minutes. */
const MOST_ENTRIES = 512;
const FS_BASE = 0xc0000100;
const GS_BASE = 0xc0000101;
const EFER = 0xc0000080;

/** Number of the first entry that fails, from 1; 0 when all went well. */
function each(c: SlowContext, area: Area, act: (at: number, index: number) => void): number {
  const count = get32(c, area.count);
  const start = Number(get(c, area.address));
  for (let i = 0; i < count; i++) {
    if (i === MOST_ENTRIES) return i + 1;
    const at = start + 16 * i;
    const index = Number(c.memory.readPhysical(32, at));
    const reserved = c.memory.readPhysical(32, at + 4);
    const isX2Apic = index >= 0x800 && index <= 0x8ff;
    if (reserved !== 0n || isX2Apic) return i + 1;
    try {
      act(at, index);
    } catch (thrown) {
      if (!(thrown instanceof GuestFault)) throw thrown;
      return i + 1;
    }
  }
  return 0;
}

export const storeMsrs = (c: SlowContext, area: Area): number =>
  each(c, area, (at, index) => c.memory.writePhysical(64, at + 8, readMsr(c, index)));

/** FS and GS bases cannot be loaded; IA32_EFER may not change what the transition has just set. */
export function loadMsrs(c: SlowContext, area: Area): number {
  return each(c, area, (at, index) => {
    if (index === FS_BASE || index === GS_BASE) throw new GuestFault(13, 0);
    const value = c.memory.readPhysical(64, at + 8);
    if (index === EFER && ((value ^ c.s.efer) & 0x500n) !== 0n) throw new GuestFault(13, 0);
    writeMsr(c, index, value);
  });
}
