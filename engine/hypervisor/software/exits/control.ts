/** Accesses to control registers that masks and shadows do not serve (SDM vol. 3, table 27-3), and XSETBV. */
import { FIELD, setControl, xsetbv as writeXcr } from '../../../cpu/index.ts';
import { PROBE } from '../../index.ts';
import { CR0_KEPT, CR4_KEPT } from '../controls.ts';
import { raised } from '../raised.ts';
import type { ExitContext, ExitHandler } from './context.ts';

const ACCESS = { to: 0, from: 1, clts: 2, lmsw: 3 } as const;
const GP = 13;
const CR0_TS = 8n;
/** CR0 bits that software can set; ET is always 1. */
const CR0_WRITABLE = 0xe005_003fn;
const CR0_ET = 0x10n;

/** CR0 as the guest sees it. */
export function guestCr0({ core, monitor }: Pick<ExitContext, 'core' | 'monitor'>): bigint {
  const mask = monitor.get64(FIELD.cr0Mask);
  return (core.s.cr0 & ~mask) | (monitor.get64(FIELD.cr0Shadow) & mask);
}

export function guestCr4({ core, monitor }: Pick<ExitContext, 'core' | 'monitor'>): bigint {
  const mask = monitor.get64(FIELD.cr4Mask);
  return (core.s.cr4 & ~mask) | (monitor.get64(FIELD.cr4Shadow) & mask);
}

function writeCr0(x: ExitContext, value: bigint): void {
  setControl(x.core, 0, value | BigInt(CR0_KEPT));
  x.monitor.set64(FIELD.cr0Shadow, (value & CR0_WRITABLE) | CR0_ET);
  x.monitor.changedAll();
  x.core.notice({ kind: 'cr', cr: 0, value });
}

function writeCr4(x: ExitContext, value: bigint): boolean {
  // The guest's processor has no VMX.
  if ((value & BigInt(CR4_KEPT)) !== 0n) return false;
  setControl(x.core, 4, value | BigInt(CR4_KEPT));
  x.monitor.set64(FIELD.cr4Shadow, value);
  x.monitor.changedAll();
  return true;
}

function write(x: ExitContext, number: number, value: bigint): boolean {
  if (number === 0) {
    writeCr0(x, value);
    return true;
  }
  if (number !== 4) setControl(x.core, number, value);
  else if (!writeCr4(x, value)) return false;
  x.core.notice({ kind: 'cr', cr: number, value });
  return true;
}

function access(x: ExitContext, qualification: number): boolean {
  const number = qualification & 15;
  const register = (qualification >>> 8) & 15;
  const { s } = x.core;
  const { probes } = x.observation;
  const listening = probes.on(x.id, PROBE.cr);
  switch ((qualification >>> 4) & 3) {
    case ACCESS.to: {
      const value = s.gpr[register] as bigint;
      if (listening) probes.fire(x.id, 'cr', { cr: number, value, write: true });
      return write(x, number, s.longMode !== 0 ? value : BigInt.asUintN(32, value));
    }
    case ACCESS.from: {
      const value = number === 3 ? s.cr3 : BigInt(x.irqchip.getTpr(x.id));
      if (listening) probes.fire(x.id, 'cr', { cr: number, value, write: false });
      s.gpr[register] = value;
      return true;
    }
    case ACCESS.clts:
      writeCr0(x, guestCr0(x) & ~CR0_TS);
      return true;
    default: {
      const source = BigInt(qualification >>> 16);
      const before = guestCr0(x);
      writeCr0(x, (before & ~0xen) | (source & 0xfn));
      return true;
    }
  }
}

export const controlRegister: ExitHandler = (x) => {
  const fault = raised(x, () => access(x, x.monitor.get32(FIELD.exitQualification)));
  if (fault === false) x.inject(GP, 0);
  else if (fault === true) x.skip();
  return undefined;
};

export const xsetbv: ExitHandler = (x) => {
  const done = raised(x, () => {
    writeXcr(x.core);
    return true;
  });
  if (done) x.skip();
  return undefined;
};
