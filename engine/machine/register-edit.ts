/** Registers changed by the names under which reports show them (vcpu-report.ts): all of a list, or none. */
import { EngineError } from '../base/index.ts';
import { type KvmSegment, type RegisterGroup, type RegisterGroups, SEGMENTS, type Vcpu } from '../hypervisor/index.ts';
import type { RegisterValue } from './messages.ts';

type Edit<G extends RegisterGroup> = (group: RegisterGroups[G], name: string, value: bigint) => boolean;

const has = <T extends object>(object: T, name: string): name is Extract<keyof T, string> => Object.hasOwn(object, name);
const numbered = (name: string, prefix: string): number | undefined => {
  const match = new RegExp(`^${prefix}([0-9]{1,2})$`).exec(name);
  return match === null ? undefined : Number(match[1]);
};

const editRegs: Edit<'regs'> = (regs, name, value) => {
  if (!has(regs, name)) return false;
  regs[name] = value;
  return true;
};

const editSregs: Edit<'sregs'> = (sregs, name, value) => {
  const [part = '', member] = name.split('.');
  const segment = SEGMENTS.find((one) => one === part);
  if (segment !== undefined) return editSegment(sregs[segment], member, value);
  if (part === 'gdt' || part === 'idt') {
    if (member === 'base') sregs[part].base = value;
    else if (member === 'limit') sregs[part].limit = Number(value & 0xffffn);
    else return false;
    return true;
  }
  const pdptr = numbered(name, 'pdptr');
  if (pdptr !== undefined && pdptr < sregs.pdptrs.length) {
    (sregs.pdptrs as bigint[])[pdptr] = value;
    return true;
  }
  const plain = ['cr0', 'cr2', 'cr3', 'cr4', 'cr8', 'efer', 'apic_base'] as const;
  const register = plain.find((one) => one === name);
  if (register === undefined) return false;
  sregs[register] = value;
  return true;
};

/** `access` has the form of a VMCS access-rights field (SDM vol. 3, 25.4.1). */
function editSegment(segment: KvmSegment, member: string | undefined, value: bigint): boolean {
  const bits = Number(value & 0xffff_ffffn);
  if (member === undefined) segment.selector = bits & 0xffff;
  else if (member === 'base') segment.base = value;
  else if (member === 'limit') segment.limit = bits;
  else if (member === 'access') {
    const bit = (at: number): number => (bits >>> at) & 1;
    Object.assign(segment, {
      type: bits & 15,
      s: bit(4),
      dpl: (bits >>> 5) & 3,
      present: bit(7),
      avl: bit(12),
      l: bit(13),
      db: bit(14),
      g: bit(15),
      unusable: bit(16),
    });
  } else return false;
  return true;
}

const editDebugregs: Edit<'debugregs'> = (registers, name, value) => {
  const number = numbered(name, 'dr');
  if (number === undefined || number > 7) return false;
  if (number === 6 || number === 7) registers[`dr${number}`] = value;
  else if (number < 4) (registers.db as bigint[])[number] = value;
  else return false;
  return true;
};

const editFpu: Edit<'fpu'> = (fpu, name, value) => {
  const plain = (['fcw', 'fsw', 'ftwx', 'mxcsr'] as const).find((one) => one === name);
  if (plain !== undefined) {
    fpu[plain] = Number(value & (plain === 'mxcsr' ? 0xffff_ffffn : 0xffffn));
    return true;
  }
  const st = numbered(name, 'st');
  const xmm = numbered(name, 'xmm');
  const bytes = st === undefined ? fpu.xmm[xmm ?? -1] : fpu.fpr[st];
  if (bytes === undefined) return false;
  for (let i = 0; i < (st === undefined ? 16 : 10); i++) bytes[i] = Number((value >> BigInt(8 * i)) & 0xffn);
  return true;
};

const editXcrs: Edit<'xcrs'> = (xcrs, name, value) => {
  if (name !== 'xcr0') return false;
  xcrs.xcr0 = value;
  return true;
};

const EDITS = { regs: editRegs, sregs: editSregs, debugregs: editDebugregs, fpu: editFpu, xcrs: editXcrs } as const;
type Edited = keyof typeof EDITS;
/** Mode before what depends on it, as KVM's users set them. */
const ORDER: readonly Edited[] = ['sregs', 'xcrs', 'regs', 'fpu', 'debugregs'];

/** Fails with `register-unknown` or `register-value`; nothing is changed then. On the vCPU's own thread, while it is parked. */
export function editRegisters(vcpu: Vcpu, registers: readonly RegisterValue[]): void {
  const groups = new Map<Edited, RegisterGroups[Edited]>();
  const msrs: (readonly [number, bigint])[] = [];
  for (const { group, name, value } of registers) {
    const big = BigInt(value);
    if (group === 'kvm_msrs' && /^0x[0-9a-f]{1,8}$/i.test(name)) {
      msrs.push([Number(name), BigInt.asUintN(64, big)]);
      continue;
    }
    const edited = ORDER.find((one) => `kvm_${one}` === group);
    if (edited === undefined) throw new EngineError('register-unknown', { group, register: name });
    const present = groups.get(edited) ?? vcpu.get(edited);
    groups.set(edited, present);
    const wide = edited === 'fpu' ? big : BigInt.asUintN(64, big);
    if (!(EDITS[edited] as Edit<Edited>)(present as never, name, wide)) {
      throw new EngineError('register-unknown', { group, register: name });
    }
  }
  setAll(vcpu, groups, msrs);
}

function setAll(
  vcpu: Vcpu,
  groups: ReadonlyMap<Edited, RegisterGroups[Edited]>,
  msrs: readonly (readonly [number, bigint])[],
): void {
  const undo: (() => void)[] = [];
  const set = <G extends RegisterGroup>(group: G, value: RegisterGroups[G]): void => {
    const before = vcpu.get(group);
    vcpu.set(group, value);
    undo.unshift(() => vcpu.set(group, before));
  };
  try {
    for (const group of ORDER) {
      const value = groups.get(group);
      if (value !== undefined) set(group, value as never);
    }
    if (msrs.length > 0) set('msrs', msrs);
  } catch (error) {
    for (const back of undo) back();
    throw error;
  }
}
