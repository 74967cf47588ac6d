/** What this host offers to machines, and why not when not. Asked before a machine is made; nothing here pretends. */
import type { HostCapabilities } from '../contract/capabilities.ts';
import { maximumRamBytes } from '../contract/errors.ts';
import { deviceState } from '../host/device-files.ts';
import { hostMemoryBytes, hostProcessors, sharedMemoryLimit } from '../host/process.ts';

export function hostCapabilities(): HostCapabilities {
  return {
    accelerators: [
      { name: 'bare', available: true, text: 'the machine straight on the software processor' },
      { name: 'software', available: true, text: 'a hypervisor on the software processor, with the guest under it' },
      { name: 'kvm', available: false, text: kvmReason() },
    ],
    processors: hostProcessors(),
    hostMemoryKiB: Math.floor(hostMemoryBytes() / 1024),
    guestMemoryKiB: { minimum: 1024, maximum: Math.min(maximumRamBytes / 1024, Math.floor(sharedMemoryLimit() / 1024)) },
    cpuModels: ['x86-64-v2', 'qemu64', 'x86-64-v2-vmx'],
  };
}

function kvmReason(): string {
  switch (deviceState('/dev/kvm')) {
    case 'absent':
      return 'this host has no /dev/kvm, and the back end is not part of this version';
    case 'forbidden':
      return 'you may not open /dev/kvm, and the back end is not part of this version';
    case 'usable':
      return '/dev/kvm is there, but the back end is not part of this version';
  }
}
