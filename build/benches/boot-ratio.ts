/** Linux's boot under the hypervisor against the same boot straight on the processor. */
import { obtainGuests } from '../tasks/guests.ts';
import { userSpaceMark } from '../tasks/initramfs.ts';
import { startGuest } from './guest-process.ts';
import { processorSeconds } from './process-group.ts';

/** Of wall time: a computer that does much else takes long over 5 s of processor time. */
const SECONDS = 400;
const BACKENDS = ['software', 'bare'] as const;
type Backend = (typeof BACKENDS)[number];

/** Processor time of one boot to /init, in seconds. */
async function boot(kernel: string, initrd: string, accel: Backend): Promise<number> {
  const words = ['--append', 'console=ttyS0 quiet panic=-1', '--memory', '256', '--accel', accel];
  const guest = startGuest(['--kernel', kernel, '--initrd', initrd, ...words]);
  try {
    await guest.until(userSpaceMark, SECONDS);
    return processorSeconds(guest.group);
  } finally {
    guest.kill();
    await guest.ended();
  }
}

let pairs = 0;

/** One boot of each, and which comes first changes with every call; or why it cannot be had. */
export async function bootRatio(): Promise<number | string> {
  const guests = obtainGuests();
  if (typeof guests === 'string') return guests;
  const taken = new Map<Backend, number>();
  for (const accel of pairs++ % 2 === 0 ? BACKENDS : BACKENDS.toReversed()) {
    taken.set(accel, await boot(guests.kernel, guests.initrd, accel));
  }
  return (taken.get('software') ?? Number.NaN) / (taken.get('bare') ?? Number.NaN);
}
