import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { MachineSettings } from '../contract/settings.ts';
import { interpreterImage } from '../hypervisor/bare/testing/interpreter.ts';
import { buildIoMachine, buildVcpuThread } from './build.ts';
import { buildMachineControl } from './control.ts';

/** Words of a vCPU that making a thread counts up, so that what was found before is not found again. */
const COUNTS_PER_VCPU = 1;

it.each(['software', 'bare'] as const)('a thread that is made after the boot changes nothing of it: %s', (accel) => {
  const cpus = 2;
  const settings = MachineSettings.parse({ name: 'late', memoryKiB: 8192, cpus, accel, vga: 'std', cdroms: [{}] });
  const hostNow = () => 1000;
  const { memory } = buildMachineControl(settings, hostNow);
  const plan = {
    settings,
    memory: memory.memory,
    clockOrigin: 0n,
    builtInFirmware: fileURLToPath(new URL('../../assets/firmware/bios.bin', import.meta.url)),
    displayRom: undefined,
  };
  const ports = { hostNow, calendar: { microseconds: () => 0 }, onTone: () => undefined, onEvent: () => undefined };
  buildIoMachine({ ...plan, role: { kind: 'io' } }, ports).boot({
    readFile: (path) => new Uint8Array(readFileSync(path)),
    randomBytes: (count) => new Uint8Array(count),
  });
  const booted = memory.i32.slice();
  for (const vcpu of [0, 1])
    buildVcpuThread({ ...plan, role: { kind: 'vcpus', vcpus: [vcpu] } }, { ...ports, interpreter: interpreterImage() });
  const { i32 } = memory;
  let changed = 0;
  for (let at = 0; at < booted.length; at++) if (booted[at] !== i32[at]) changed++;
  expect(changed).toBe(cpus * COUNTS_PER_VCPU);
});
