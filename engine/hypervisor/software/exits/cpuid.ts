/** CPUID as KVM's guests see it: the model's leaves without VMX, and KVM's own from 4000_0000H on. */
import { type CpuModel, cpuidView, gpr32, setGpr32 } from '../../../cpu/index.ts';
import type { ExitHandler } from './context.ts';

const RAX = 0;
const RCX = 1;
const RDX = 2;
const RBX = 3;
const HYPERVISOR = 2 ** 31;

const SIGNATURE_LEAF = 0x4000_0000;
const FEATURES_LEAF = 0x4000_0001;
/** KVM_FEATURE_*, by bit. */
const FEATURES =
  (1 << 0) | // CLOCKSOURCE
  (1 << 1) | // NOP_IO_DELAY
  (1 << 3) | // CLOCKSOURCE2
  (1 << 5) | // STEAL_TIME
  (1 << 6) | // PV_EOI
  (1 << 7) | // PV_UNHALT
  (1 << 11) | // PV_SEND_IPI
  (1 << 13) | // PV_SCHED_YIELD
  (1 << 24); // CLOCKSOURCE_STABLE_BIT

type Leaf = readonly [number, number, number, number];

/** What the guest's CPUID answers. */
export function guestLeaf(
  model: CpuModel,
  { eax, ecx }: { eax: number; ecx: number },
  view: Parameters<CpuModel['cpuid']>[2],
): Leaf {
  if (eax === SIGNATURE_LEAF) return [FEATURES_LEAF, 0x4b4d564b, 0x564b4d56, 0x4d];
  if (eax === FEATURES_LEAF) return [FEATURES, 0, 0, 0];
  const [a, b, c, d] = model.cpuid(eax, ecx, view);
  if (eax === 1) return [a, b, (c | HYPERVISOR) >>> 0, d];
  return [a, b, c, d];
}

export const cpuid: ExitHandler = (x) => {
  const { s } = x.core;
  const [a, b, c, d] = guestLeaf(x.model, { eax: gpr32(s, RAX), ecx: gpr32(s, RCX) }, cpuidView(x.core));
  setGpr32(s, RAX, a);
  setGpr32(s, RBX, b);
  setGpr32(s, RCX, c);
  setGpr32(s, RDX, d);
  x.skip();
  return undefined;
};
