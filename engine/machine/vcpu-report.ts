/** What a vCPU tells about itself: its register groups, by KVM's names, as text that fits a message. */
import { type KvmSegment, MP_STATE, SEGMENTS, type Vcpu } from '../hypervisor/index.ts';
import type { RegisterValue, VcpuReport } from './messages.ts';

/** On the vCPU's own thread, between two instructions. */
export function reportOf(vcpu: Vcpu, activity: VcpuReport['activity']): VcpuReport {
  return { vcpu: vcpu.id, activity, instructions: Number(vcpu.retired), registers: registersOf(vcpu) };
}

/** Activity by KVM_GET_MP_STATE, for a vCPU that nobody runs. */
export function activityOf(vcpu: Vcpu): VcpuReport['activity'] {
  const { mp_state } = vcpu.get('mp_state');
  if (mp_state === MP_STATE.halted) return 'halted';
  return mp_state === MP_STATE.runnable ? 'running' : 'waiting-for-sipi';
}

function registersOf(vcpu: Vcpu): RegisterValue[] {
  const values: RegisterValue[] = [];
  const add = (group: string, name: string, value: bigint | number, digits = 16): void => {
    values.push({ group, name, value: `0x${value.toString(16).padStart(digits, '0')}` });
  };
  for (const [name, value] of Object.entries(vcpu.get('regs'))) add('kvm_regs', name, value as bigint);

  const sregs = vcpu.get('sregs');
  for (const name of ['cr0', 'cr2', 'cr3', 'cr4', 'cr8', 'efer', 'apic_base'] as const) add('kvm_sregs', name, sregs[name]);
  for (const name of SEGMENTS) {
    const segment = sregs[name];
    add('kvm_sregs', name, segment.selector, 4);
    add('kvm_sregs', `${name}.base`, segment.base);
    add('kvm_sregs', `${name}.limit`, segment.limit, 8);
    add('kvm_sregs', `${name}.access`, accessRights(segment), 5);
  }
  for (const name of ['gdt', 'idt'] as const) {
    add('kvm_sregs', `${name}.base`, sregs[name].base);
    add('kvm_sregs', `${name}.limit`, sregs[name].limit, 4);
  }
  for (const [at, value] of sregs.pdptrs.entries()) add('kvm_sregs', `pdptr${at}`, value);
  add('kvm_xcrs', 'xcr0', vcpu.get('xcrs').xcr0);

  const debug = vcpu.get('debugregs');
  for (const [at, value] of debug.db.entries()) add('kvm_debugregs', `dr${at}`, value);
  add('kvm_debugregs', 'dr6', debug.dr6);
  add('kvm_debugregs', 'dr7', debug.dr7);

  const fpu = vcpu.get('fpu');
  for (const name of ['fcw', 'fsw', 'ftwx'] as const) add('kvm_fpu', name, fpu[name], 4);
  add('kvm_fpu', 'mxcsr', fpu.mxcsr, 8);
  for (const [at, bytes] of fpu.fpr.entries()) values.push({ group: 'kvm_fpu', name: `st${at}`, value: wide(bytes, 10) });
  for (const [at, bytes] of fpu.xmm.entries()) values.push({ group: 'kvm_fpu', name: `xmm${at}`, value: wide(bytes, 16) });

  for (const [index, value] of vcpu.get('msrs')) add('kvm_msrs', `0x${index.toString(16)}`, value);
  return values;
}

/** The form of a VMCS access-rights field (SDM vol. 3, 25.4.1). */
function accessRights({ type, s, dpl, present, avl, l, db, g, unusable }: KvmSegment): number {
  return type | (s << 4) | (dpl << 5) | (present << 7) | (avl << 12) | (l << 13) | (db << 14) | (g << 15) | (unusable << 16);
}

/** Little-endian bytes as one hexadecimal number. */
function wide(bytes: Uint8Array, size: number): string {
  return `0x${[...bytes.subarray(0, size)]
    .reverse()
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')}`;
}
