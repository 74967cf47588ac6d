/** Linux's boot under the hypervisor against the same boot straight on the processor. */
import { obtainGuests } from '../tasks/guests.ts';
import { userSpaceMark } from '../tasks/initramfs.ts';
import { startGuest } from './guest-process.ts';
import { processorSeconds } from './process-group.ts';

const SECONDS = 120;
/** Boots of each, one after the other in turn, so that what else the computer does meets both. */
const PAIRS = 3;

/** Processor time of one boot to /init, in seconds. */
async function boot(kernel: string, initrd: string, accel: string): Promise<number> {
  const words = ['--append', 'console=ttyS0 quiet panic=-1', '--memory', '512', '--accel', accel];
  const guest = startGuest(['--kernel', kernel, '--initrd', initrd, ...words]);
  try {
    await guest.until(userSpaceMark, SECONDS);
    return processorSeconds(guest.group);
  } finally {
    guest.kill();
    await guest.ended();
  }
}

/** The sum of some boots under `software` through that of as many on `bare`; or why it cannot be had. */
export async function bootRatio(): Promise<number | string> {
  const guests = obtainGuests();
  if (typeof guests === 'string') return guests;
  const { kernel, initrd } = guests;
  let [software, bare] = [0, 0];
  for (let pair = 0; pair < PAIRS; pair++) {
    software += await boot(kernel, initrd, 'software');
    bare += await boot(kernel, initrd, 'bare');
  }
  return software / bare;
}
