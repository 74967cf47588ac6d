/**
 * 16550A serial port. Spec: TI PC16550D, section 8. Guest bytes leave through `line`; nothing here knows hosts or CPUs.
 * The transmitter is as fast as its line: a byte written has left when the write ends, and the holding register is empty again.
 * On a PC, OUT2 gates the interrupt.
 *
 * Threats: the guest controls every register and the rate of output; the line bounds what it buffers, not this device.
 * The other side of the line controls received bytes; never more than the FIFO holds are taken.
 * Restored values are bounded by masks; a wrong deadline only moves one interrupt.
 */
import { bool, fifo8, i64, u8, u16 } from '../../state/index.ts';
import { defineDevice } from '../device.ts';
import { byteLine } from '../ports.ts';
import { BASE_BAUD, Fcr, FIFO_DEPTH, Ier, Iir, Lcr, Lsr, Mcr, Msr, Reg, TIMEOUT_CHARACTERS, TRIGGER } from './spec.ts';

export const uart16550 = defineDevice({
  type: 'uart16550',
  ports: { regs: 8 },
  irqs: ['intr'],
  timers: ['silence'],
  needs: { line: byteLine },
  state: {
    ier: u8({ id: 1, mask: Ier.All, doc: 'Interrupt enable' }),
    fcr: u8({ id: 2, mask: Fcr.Kept, doc: 'FIFO control: enable, DMA mode, receive trigger' }),
    lcr: u8({ id: 3, doc: 'Line control; bit 7 selects the divisor' }),
    mcr: u8({ id: 4, mask: Mcr.All, doc: 'Modem control; bit 3 (OUT2) lets interrupts out, bit 4 loops back' }),
    errors: u8({ id: 5, mask: Lsr.Errors, doc: 'Error bits of the line status, cleared by reading it' }),
    deltas: u8({ id: 6, mask: 0x0f, doc: 'Change bits of the modem status, cleared by reading it' }),
    scr: u8({ id: 7, doc: 'Scratch' }),
    divisor: u16({ id: 8, reset: 12, doc: 'Clock divisor, 115200 / baud' }),
    rx: fifo8({ id: 9, depth: FIFO_DEPTH, doc: 'Received bytes the guest has not read' }),
    txEmptied: bool({ id: 10, doc: 'The holding register became empty and nobody was told' }),
    timedOut: bool({ id: 11, doc: 'Received bytes waited for four characters of silence' }),
    silentAt: i64({ id: 12, reset: -1n, doc: 'Machine time in ns when silence counts as such; -1: nothing waits' }),
  },
  create({ state, irqs, timers, clock, line }) {
    const fifos = () => (state.fcr & Fcr.Enable) !== 0;
    const looped = () => (state.mcr & Mcr.Loop) !== 0;
    const trigger = () => (fifos() ? (TRIGGER[state.fcr >>> 6] ?? 1) : 1);
    const room = () => (looped() ? 0 : (fifos() ? FIFO_DEPTH : 1) - state.rx.length);

    const modemLines = (): number => {
      if (!looped()) return Msr.Cts | Msr.Dsr | Msr.Dcd; // the other side is always there and ready
      const { mcr } = state;
      return (
        (mcr & Mcr.Rts ? Msr.Cts : 0) |
        (mcr & Mcr.Dtr ? Msr.Dsr : 0) |
        (mcr & Mcr.Out1 ? Msr.Ri : 0) |
        (mcr & Mcr.Out2 ? Msr.Dcd : 0)
      );
    };

    /** The interrupt with the highest priority. */
    const identify = (): number => {
      const { ier } = state;
      if (ier & Ier.LineStatus && state.errors !== 0) return Iir.LineStatus;
      if (ier & Ier.RxReady && state.rx.length >= trigger()) return Iir.RxReady;
      if (ier & Ier.RxReady && state.timedOut) return Iir.Timeout;
      if (ier & Ier.TxEmpty && state.txEmptied) return Iir.TxEmpty;
      if (ier & Ier.ModemStatus && state.deltas !== 0) return Iir.ModemStatus;
      return Iir.None;
    };
    const settle = () => irqs.intr.set((state.mcr & Mcr.Out2) !== 0 && identify() !== Iir.None);

    const characterTime = (): number => {
      const { lcr } = state;
      const bits = 1 + 5 + (lcr & Lcr.WordLength) + (lcr & Lcr.Parity ? 1 : 0) + (lcr & Lcr.Stop ? 2 : 1);
      return (bits * (state.divisor || 1) * 1e9) / BASE_BAUD;
    };
    const armSilence = () => (state.silentAt < 0n ? timers.silence.cancel() : timers.silence.at(Number(state.silentAt)));
    /** Something came or went in the receiver: silence starts anew while bytes wait below the trigger level. */
    const listen = () => {
      state.timedOut = false;
      const waits = fifos() && state.rx.length > 0;
      state.silentAt = waits ? BigInt(Math.round(clock.now() + TIMEOUT_CHARACTERS * characterTime())) : -1n;
      armSilence();
    };

    const receive = (byte: number) => {
      const full = state.rx.length >= (fifos() ? FIFO_DEPTH : 1);
      if (full) state.errors |= Lsr.Overrun;
      if (full && !fifos()) state.rx.clear(); // without FIFO the newer byte wins, with it the older ones stay
      if (!full || !fifos()) state.rx.push(byte);
      listen();
      settle();
    };
    const clearReceiver = () => {
      state.rx.clear();
      listen();
    };
    line.onByte(receive, room);

    const transmit = (byte: number) => {
      state.txEmptied = false;
      settle(); // the line drops between two bytes, so that an edge tells of the second
      if (looped()) receive(byte);
      else line.send(byte);
      state.txEmptied = true;
      settle();
    };

    const readData = (): number => {
      const byte = state.rx.shift() ?? 0;
      listen();
      settle();
      line.ready();
      return byte;
    };
    const readIdentification = (): number => {
      const source = identify();
      if (source === Iir.TxEmpty) {
        state.txEmptied = false;
        settle();
      }
      return source | (fifos() ? Iir.FifosOn : 0);
    };
    const readLineStatus = (): number => {
      const status = state.errors | (state.rx.length > 0 ? Lsr.DataReady : 0) | Lsr.TxEmpty | Lsr.AllEmpty;
      state.errors = 0;
      settle();
      return status;
    };
    const readModemStatus = (): number => {
      const status = modemLines() | state.deltas;
      state.deltas = 0;
      settle();
      return status;
    };

    const writeFifoControl = (value: number) => {
      if (((value ^ state.fcr) & Fcr.Enable) !== 0) clearReceiver();
      state.fcr = value & Fcr.Enable ? value & Fcr.Kept : 0;
      if (value & Fcr.ClearRx) clearReceiver();
      listen();
      line.ready();
    };
    const writeModemControl = (value: number) => {
      const before = modemLines();
      state.mcr = value & Mcr.All;
      const changed = before ^ modemLines();
      const ringEnded = before & changed & Msr.Ri ? Msr.TrailingRi : 0;
      state.deltas |= ((changed >>> 4) & (Msr.DeltaCts | Msr.DeltaDsr | Msr.DeltaDcd)) | ringEnded;
      line.ready();
    };
    const writeInterruptEnable = (value: number) => {
      // The data sheet's THRE interrupt is a level: enabling it while the register is empty raises it.
      if (value & ~state.ier & Ier.TxEmpty) state.txEmptied = true;
      state.ier = value & Ier.All;
    };

    const divisorSelected = () => (state.lcr & Lcr.DivisorLatch) !== 0;
    return {
      read: (at) => {
        if (divisorSelected() && at <= 1) return at === 0 ? state.divisor & 0xff : state.divisor >>> 8;
        switch (at) {
          case Reg.Data:
            return readData();
          case Reg.Ier:
            return state.ier;
          case Reg.IirFcr:
            return readIdentification();
          case Reg.Lcr:
            return state.lcr;
          case Reg.Mcr:
            return state.mcr;
          case Reg.Lsr:
            return readLineStatus();
          case Reg.Msr:
            return readModemStatus();
          default:
            return state.scr;
        }
      },
      write: (at, value) => {
        const byte = value & 0xff;
        if (divisorSelected() && at <= 1) {
          state.divisor = at === 0 ? (state.divisor & 0xff00) | byte : (state.divisor & 0xff) | (byte << 8);
          return;
        }
        if (at === Reg.Data) transmit(byte);
        else if (at === Reg.Ier) writeInterruptEnable(byte);
        else if (at === Reg.IirFcr) writeFifoControl(byte);
        else if (at === Reg.Lcr) state.lcr = byte;
        else if (at === Reg.Mcr) writeModemControl(byte);
        else if (at === Reg.Scr) state.scr = byte;
        settle();
      },
      timers: {
        silence: () => {
          state.silentAt = -1n;
          state.timedOut = state.rx.length > 0;
          settle();
        },
      },
      restored: () => {
        armSilence();
        settle();
      },
    };
  },
});
