/** Capabilities as text, for a terminal. */
import type { HostCapabilities } from '../contract/capabilities.ts';
import type { VmxCapabilities } from '../contract/vmx-capabilities.ts';

export function capabilityText(capabilities: HostCapabilities): string {
  const { accelerators, guestMemoryKiB, hostMemoryKiB, processors, cpuModels } = capabilities;
  const width = Math.max(...accelerators.map(({ name }) => name.length));
  const lines = accelerators.map(
    ({ name, available, text }) => `accelerator  ${name.padEnd(width)}  ${available ? 'yes' : 'no '}  ${text}`,
  );
  return `${[
    ...lines,
    `processors   ${processors} of the host may be used`,
    `memory       ${guestMemoryKiB.minimum / 1024} to ${Math.floor(guestMemoryKiB.maximum / 1024)} MiB for each machine; the host has ${Math.floor(hostMemoryKiB / 1024)} MiB`,
    `cpu models   ${cpuModels.join(', ')}`,
  ].join('\n')}\n`;
}

/** One MSR a line, then a line for each bit with a name: `1`, `0` where nothing else is allowed, `0/1` where the hypervisor chooses. */
export function vmxText({ msrs }: VmxCapabilities): string {
  const lines = msrs.flatMap(({ index, name, value, meaning, allowed }) => [
    `${index} ${name} = ${value}${meaning.length > 0 ? `  ${meaning.join(', ')}` : ''}`,
    ...(allowed === undefined
      ? []
      : [
          `        ${allowed.fields.join(', ')}: must be 1 ${allowed.ones}, may be 1 ${allowed.may}`,
          ...allowed.bits.map(
            ({ at, name: bit }) => `        ${String(at).padStart(2)} ${allowedText(allowed, at).padEnd(3)}  ${bit}`,
          ),
        ]),
  ]);
  return `${lines.join('\n')}\n`;
}

function allowedText({ ones, may }: { readonly ones: string; readonly may: string }, at: number): string {
  const has = (mask: string): boolean => ((BigInt(mask) >> BigInt(at)) & 1n) !== 0n;
  return has(ones) ? '1' : has(may) ? '0/1' : '0';
}
