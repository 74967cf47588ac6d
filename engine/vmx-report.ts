/** The capability MSRs of VMX in the form of the contract. Composition root: here the processor's table meets the words for people. */

import type { VmxCapabilities } from './contract/vmx-capabilities.ts';
import { cpuModel, vmxCapabilityReport } from './cpu/index.ts';
import { describeField } from './hypervisor/index.ts';

/** They depend on no clock. */
const CLOCKS = { tscHz: 1_000_000_000, apicHz: 1_000_000_000 };

export function vmxReport(): VmxCapabilities {
  const model = cpuModel('x86-64-v2-vmx', CLOCKS);
  if (model === undefined) throw new Error('the model with VMX is gone');
  const hexadecimal = (value: bigint, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`;
  return {
    msrs: vmxCapabilityReport(model).map(({ index, name, value, meaning, allowed }) => {
      const digits = allowed?.fields.some((field) => field.endsWith('Cr4') || field === 'vmFunctionControls') ? 16 : 8;
      return {
        ...{ index: `0x${index.toString(16)}`, name, value: hexadecimal(value, 16), meaning: [...meaning] },
        ...(allowed && {
          allowed: {
            fields: [...allowed.fields],
            ones: hexadecimal(allowed.ones, digits),
            may: hexadecimal(allowed.may, digits),
            bits: describeField({ name: allowed.fields[0] ?? '', ...(allowed.bits && { bits: allowed.bits }) }).bits,
          },
        }),
      };
    }),
  };
}
