/**
 * Port traps of the built-in BIOS. The ROM writes where its caller's registers lie; the services change them there.
 *
 * Threats: the guest writes any address and any registers at any time; services bound their work and reach only the guest's own memory,
 * ports and drives.
 * Nothing comes from outside.
 * Restored registers are those of a 32-bit call under way, which may name anything anyway.
 */
import { array, u8 } from '../../state/index.ts';
import { defineDevice } from '../device.ts';
import { definePort } from '../ports.ts';
import { Offset, PCI_CALL, PORTS, REGISTERS } from './spec.ts';

/** What stands behind the traps. */
export interface BiosServices {
  call(frame: number): void;
  /** Changes the six registers in place. */
  pciCall(registers: Uint32Array): void;
}
const biosServices = definePort<BiosServices>('bios-services', () => ({ call: () => undefined, pciCall: () => undefined }));

export const biosTrap = defineDevice({
  type: 'bios-trap',
  ports: { regs: PORTS },
  widest: 4,
  needs: { services: biosServices },
  state: {
    registers: array('u32', REGISTERS, { id: 1, doc: 'Registers of the 32-bit call under way' }),
    next: u8({ id: 2, range: [0, REGISTERS - 1], doc: 'Which of them is written or read next' }),
  },
  create({ state, services }) {
    const step = () => {
      const at = state.next;
      state.next = (at + 1) % REGISTERS;
      return at;
    };
    return {
      read: (at, size) => (at === Offset.Register && size === 4 ? (state.registers[step()] ?? 0) : 0xffff_ffff),
      write: (at, value, size) => {
        if (at === Offset.Frame && size === 4) services.call(value >>> 0);
        else if (at === Offset.Register && size === 4) state.registers[step()] = value;
        else if (at === Offset.Call) {
          const registers = Uint32Array.from(state.registers);
          if ((value & 0xff) === PCI_CALL) services.pciCall(registers);
          state.registers.set(registers);
          state.next = 0;
        }
      },
    };
  },
});
