/**
 * Exit port for test guests, as QEMU's isa-debug-exit: a value written ends the machine with exit status (value << 1) | 1.
 *
 * Threats: the guest ends its own machine, which it can do anyway.
 * The value is cut to 32 bits; whoever makes it an exit status cuts it further.
 * There is no state to restore.
 */
import { defineDevice } from '../device.ts';
import { machineSignals } from '../signals.ts';

export const isaDebugExit = defineDevice({
  type: 'isa-debug-exit',
  ports: { code: 4 },
  widest: 4,
  needs: { signals: machineSignals },
  state: {},
  create: ({ signals }) => ({ read: () => 0, write: (_at, value) => signals.debugExit(value >>> 0) }),
});
