/** VMCALL: KVM's hypercalls (Documentation/virt/kvm/x86/hypercalls.rst). */
import { gpr32 } from '../../../cpu/index.ts';
import { COUNTER, PROBE } from '../../index.ts';
import { raised } from '../raised.ts';
import type { ExitContext, ExitHandler } from './context.ts';

const CALL = { pollIrq: 1, kickCpu: 5, sendIpi: 10, schedYield: 11 } as const;
const ERROR = { perm: -1n, nosys: -1000n } as const;
const [RAX, RCX, RDX, RBX, RSI] = [0, 1, 2, 3, 6];
const FIXED = 0;
const NMI = 4;

/** Deliver to the APIC ids `first + i` for each bit i set of the bitmap. How many there were. */
function sendIpi(x: ExitContext, bitmap: bigint, first: number, icr: number): bigint {
  const mode = (icr >>> 8) & 7;
  if (mode !== FIXED && mode !== NMI) return -1n;
  let sent = 0n;
  for (const lapic of x.irqchip.lapics.all) {
    const bit = lapic.apicId - first;
    if (bit < 0 || bit >= 128 || ((bitmap >> BigInt(bit)) & 1n) === 0n) continue;
    if (lapic.deliver(mode, icr & 0xff, false)) sent++;
  }
  return sent;
}

function serve(x: ExitContext, number: bigint, args: readonly [bigint, bigint, bigint, bigint]): bigint {
  switch (Number(number)) {
    case CALL.pollIrq:
    case CALL.schedYield:
      return 0n;
    case CALL.kickCpu:
      x.para.kick(Number(args[1] & 0xffffffffn));
      return 0n;
    case CALL.sendIpi:
      return x.host.call(x.id, () =>
        sendIpi(x, args[0] | (args[1] << 64n), Number(args[2] & 0xffffffffn), Number(args[3] & 0xffffffffn)),
      );
    default:
      x.observation.counters.add(x.id, COUNTER['unknown-hypercalls']);
      return ERROR.nosys;
  }
}

const UD = 6;
/** VMMCALL, the hypercall instruction of another vendor, as its bytes lie in memory. */
const VMMCALL = 0xd9010fn;
const LENGTH = 3;

/** Only #UD exits: KVM serves VMMCALL as well, and everything else is the guest's. */
export const exception: ExitHandler = (x) => {
  const { s, memory } = x.core;
  const access = s.cpl === 3 ? 'user' : 'supervisor';
  const at = BigInt.asUintN(s.longMode !== 0 ? 64 : 32, s.rip + s.fetchBase);
  const code = raised(x, () => memory.read(8, at, access) | (memory.read(16, at + 1n, access) << 8n));
  if (code === VMMCALL) return hypercall(x);
  if (code !== undefined) x.inject(UD);
  return undefined;
};

export const hypercall: ExitHandler = (x) => {
  const { s } = x.core;
  const { counters, probes } = x.observation;
  counters.add(x.id, COUNTER.hypercalls);
  const bits = s.longMode !== 0 ? 64 : 32;
  const argument = (register: number): bigint => BigInt.asUintN(bits, s.gpr[register] as bigint);
  const number = argument(RAX as number);
  const args = [argument(RBX as number), argument(RCX as number), argument(RDX as number), argument(RSI as number)] as const;
  const result = s.cpl !== 0 ? ERROR.perm : serve(x, number, args);
  s.gpr[RAX as number] = BigInt.asUintN(bits, result);
  if (probes.on(x.id, PROBE.hypercall)) {
    probes.fire(x.id, 'hypercall', { number, a0: args[0], a1: args[1], result: BigInt.asUintN(64, result) });
  }
  x.skip(LENGTH);
  return gpr32(s, RAX as number) === 0 && Number(number) === CALL.schedYield && x.vcpus > 1 ? 'pause' : undefined;
};
