import { expect, it } from 'vitest';
import { cpuModels, MachineSettings, maximumVcpus } from '../contract/settings.ts';
import { bareCapabilities } from '../hypervisor/bare/index.ts';

// The contract cannot ask a back end: it must not load one to check an option. So this asks whether both say the same.
it('settings allow what the back end offers, and nothing else', () => {
  const { models, maxVcpus, maxRamBytes } = bareCapabilities();
  expect([...models].sort()).toEqual([...cpuModels].sort());
  expect(maximumVcpus).toBe(maxVcpus);
  const most = { name: 'a', kernel: 'k', memoryKiB: maxRamBytes / 1024 };
  expect(MachineSettings.safeParse(most).success).toBe(true);
  expect(MachineSettings.safeParse({ ...most, memoryKiB: most.memoryKiB + 4 }).success).toBe(false);
});
