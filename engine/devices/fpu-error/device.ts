/**
 * Coprocessor errors as a PC reports them: FERR# of the first processor raises IRQ13, a write to port F0h or F1h takes it back. The
 * processor reports each error once and goes on, as one does whose IGNNE# is asserted, so IGNNE# itself has nobody to tell.
 * Spec: spec.ts; SDM vol. 1, 8.7 for the processor's side.
 *
 * Threats: the guest controls when errors happen; each is one edge of a line.
 * Nothing comes from outside.
 * A restored level is the line's level, nothing else.
 */
import { bool } from '../../state/index.ts';
import { defineDevice } from '../device.ts';
import { FLOATING, PORTS } from './spec.ts';

export const fpuError = defineDevice({
  type: 'fpu-error',
  ports: { regs: PORTS },
  irqs: ['intr'],
  state: {
    reported: bool({ id: 1, doc: 'IRQ13 is asserted: an error was reported and not taken back by a write yet' }),
  },
  create({ state, irqs }) {
    const settle = () => irqs.intr.set(state.reported);
    return {
      read: () => FLOATING,
      write: () => {
        state.reported = false;
        settle();
      },
      restored: settle,
      api: {
        /** FERR# goes active. */
        error: () => {
          state.reported = true;
          settle();
        },
      },
    };
  },
});
