/** Capabilities as text, for a terminal. */
import type { HostCapabilities } from '../contract/capabilities.ts';

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
