/**
 * Printer port with a printer that takes every byte at once. Spec: IBM PC/AT Technical Reference, parallel printer adapter. Each strobe
 * sends the byte in the data register; the acknowledge pulse is the interrupt.
 *
 * Threats: the guest controls every register; each strobe sends one byte, which the line may drop.
 * Nothing comes from outside.
 * Restored registers are cut to the bits a guest can set.
 */
import { u8 } from '../../state/index.ts';
import { defineDevice } from '../device.ts';
import { byteLine } from '../ports.ts';
import { Control, Reg, Status } from './spec.ts';

export const parallel = defineDevice({
  type: 'parallel',
  ports: { regs: 3 },
  irqs: ['intr'],
  needs: { line: byteLine },
  state: {
    data: u8({ id: 1, doc: 'Data lines' }),
    control: u8({ id: 2, reset: Control.Initialize, mask: Control.Kept, doc: 'Control lines and interrupt enable' }),
  },
  create({ state, irqs, line }) {
    return {
      read: (at) => {
        if (at === Reg.Data) return state.data;
        if (at === Reg.Status) return Status.NotError | Status.Selected | Status.NotAcknowledge | Status.NotBusy | Status.Unused;
        return state.control | Control.Unused;
      },
      write: (at, value) => {
        if (at === Reg.Data) state.data = value & 0xff;
        if (at !== Reg.Control) return;
        const rises = (value & ~state.control & Control.Strobe) !== 0;
        state.control = value & Control.Kept;
        if (!rises || (value & Control.Direction) !== 0) return;
        line.send(state.data);
        if ((value & Control.Interrupt) === 0) return;
        irqs.intr.set(true);
        irqs.intr.set(false);
      },
      restored: () => irqs.intr.set(false),
    };
  },
});
