/** RDMSR and WRMSR of MSRs that do not act by themselves: KVM's own, the counter, and those of the processor. */
import { claims, FIELD, GuestFault, gpr32, readMsr, setGpr32, writeMsr } from '../../../cpu/index.ts';
import { COUNTER, PROBE } from '../../index.ts';
import type { ExitContext, ExitHandler } from './context.ts';

const RAX = 0;
const RCX = 1;
const RDX = 2;
const GP = 13;
const TSC = 0x10;
const TSC_ADJUST = 0x3b;
const FEATURE_CONTROL = 0x3a;
const EFER = 0xc0000080;
/** VMX capabilities: the guest's processor has no VMX. */
const isVmx = (index: number): boolean => index >= 0x480 && index <= 0x491;

/** `undefined` raises #GP(0). */
function read(x: ExitContext, index: number): bigint | undefined {
  if (isVmx(index)) return undefined;
  if (index === FEATURE_CONTROL) return 1n;
  return x.para.read(index) ?? readMsr(x.core, index);
}

/** The counter and its adjustment move together, by the offset in the VMCS. */
function moveCounter(x: ExitContext, delta: bigint): void {
  const { s } = x.core;
  x.monitor.set64(FIELD.tscOffset, BigInt.asUintN(64, x.monitor.get64(FIELD.tscOffset) + delta));
  s.guestTscOffset = x.monitor.get64(FIELD.tscOffset);
  s.tscAdjust = BigInt.asUintN(64, s.tscAdjust + delta);
  x.host.cpuHost.tscMoved?.(x.id);
  x.para.counterMoved();
}

/** False raises #GP(0). */
function write(x: ExitContext, index: number, value: bigint): boolean {
  if (isVmx(index) || index === FEATURE_CONTROL) return false;
  if (index === TSC) moveCounter(x, value - x.core.tsc());
  else if (index === TSC_ADJUST) {
    if (!claims.tscAdjust(x.model)) return false;
    moveCounter(x, value - x.core.s.tscAdjust);
  } else {
    const own = x.para.write(index, value);
    if (own !== undefined) return own;
    writeMsr(x.core, index, value);
    if (index === EFER) x.monitor.changedAll();
  }
  return true;
}

/** The result, `undefined` where #GP(0) was injected. */
function attempt<T>(x: ExitContext, body: () => T | undefined): T | undefined {
  let result: T | undefined;
  try {
    result = body();
  } catch (thrown) {
    if (!(thrown instanceof GuestFault)) throw thrown;
  }
  if (result === undefined) {
    x.observation.counters.add(x.id, COUNTER['refused-msrs']);
    x.inject(GP, 0);
  }
  return result;
}

export const rdmsr: ExitHandler = (x) => {
  const { s } = x.core;
  const { probes } = x.observation;
  const index = gpr32(s, RCX);
  const value = attempt(x, () => read(x, index));
  if (probes.on(x.id, PROBE.msr)) {
    probes.fire(x.id, 'msr', { msr: index, value: value ?? 0n, write: false, fault: value === undefined });
  }
  if (value === undefined) return undefined;
  x.core.notice({ kind: 'msr', msr: index, value, write: false });
  setGpr32(s, RAX, Number(value & 0xffffffffn));
  setGpr32(s, RDX, Number(value >> 32n));
  x.skip();
  return undefined;
};

export const wrmsr: ExitHandler = (x) => {
  const { s } = x.core;
  const { probes } = x.observation;
  const index = gpr32(s, RCX);
  const value = BigInt(gpr32(s, RAX)) | (BigInt(gpr32(s, RDX)) << 32n);
  const done = attempt(x, () => write(x, index, value) || undefined);
  if (probes.on(x.id, PROBE.msr)) {
    probes.fire(x.id, 'msr', { msr: index, value, write: true, fault: done === undefined });
  }
  if (done === undefined) return undefined;
  x.core.notice({ kind: 'msr', msr: index, value, write: true });
  x.skip();
  return undefined;
};
