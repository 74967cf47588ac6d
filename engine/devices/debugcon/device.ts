/**
 * Debug console at port E9h, as Bochs and QEMU have it: a byte written goes out, a byte read is the port's own number.
 *
 * Threats: the guest controls the rate of output; the line bounds what it buffers.
 * Nothing comes in.
 * There is no state to restore.
 */
import { defineDevice } from '../device.ts';
import { byteLine } from '../ports.ts';

export const debugcon = defineDevice({
  type: 'debugcon',
  ports: { data: 1 },
  needs: { line: byteLine },
  state: {},
  create: ({ line }) => ({ read: () => 0xe9, write: (_at, value) => line.send(value & 0xff) }),
});
