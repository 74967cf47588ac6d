/** Registers of the vCPU that this thread runs, while it waits for the answer of a port: for calls with arguments in registers. */
import type { CallerRegisters } from '../devices/vmmouse/device.ts';
import type { Machine } from '../hypervisor/index.ts';

export function callerRegistersOf({ vcpus }: Pick<Machine, 'vcpus'>): CallerRegisters {
  const low = (register = 0n) => Number(register & 0xffff_ffffn);
  return {
    read: (vcpu) => {
      const regs = vcpus[vcpu]?.get('regs');
      return { eax: low(regs?.rax), ebx: low(regs?.rbx), ecx: low(regs?.rcx), edx: low(regs?.rdx) };
    },
    write: (vcpu, { ebx, ecx, edx }) => {
      const regs = vcpus[vcpu]?.get('regs');
      if (regs) vcpus[vcpu]?.set('regs', { ...regs, rbx: BigInt(ebx >>> 0), rcx: BigInt(ecx >>> 0), rdx: BigInt(edx >>> 0) });
    },
  };
}
