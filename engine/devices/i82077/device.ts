/**
 * 82077AA floppy controller with two drives. Spec: Intel 290166. Transfers go by DMA channel 2; byte by byte, which no
 * system uses, is refused. Heads move at once: a seek ends when it is begun.
 *
 * Threats: the guest controls commands, sector numbers and the DMA channel; a request never leaves the medium nor 64 KiB.
 * Media come from outside: their size alone decides their format.
 * Restored commands go on from the same checks as new ones.
 */
import { array, bool, bytes, u8, u32 } from '../../state/index.ts';
import { defineDevice } from '../device.ts';
import { dmaChannel } from '../dma-channel.ts';
import { type DriveLine, type DriveResult, driveLines, type GuestRange } from '../drive.ts';
import { type FloppyFormat, formatOf, LENGTHS, Main, Output, Reg, SECTOR, St0, St1, St2 } from './spec.ts';

const UNITS = 2;
const Phase = { Command: 0, Work: 1, Result: 2 } as const;
const Code = {
  readTrack: 2,
  specify: 3,
  senseDrive: 4,
  write: 5,
  read: 6,
  recalibrate: 7,
  senseInterrupt: 8,
  writeDeleted: 9,
  readId: 10,
  readDeleted: 12,
  format: 13,
  dumpRegisters: 14,
  seek: 15,
  version: 16,
  perpendicular: 18,
  configure: 19,
  lock: 20,
  verify: 22,
} as const;
const WRITES: readonly number[] = [Code.write, Code.writeDeleted, Code.format];
/** First byte of a command: both heads, relative seeks; direction of those. */
const [MULTITRACK, INWARDS] = [0x80, 0x40];
const WITHOUT_DMA = 0x01;
/** Sectors of both heads of a cylinder: the longest run of one command. */
const RUN = 2 * 255;
const NOTHING = 0xff;
const VERSION = 0x90;
const CYLINDERS = 85;

export const i82077 = defineDevice({
  type: 'i82077',
  ports: { regs: 6, input: 1 },
  irqs: ['intr'],
  needs: { drives: driveLines, channel: dmaChannel },
  state: {
    output: u8({ id: 1, reset: 0x0c, doc: 'Digital output register' }),
    tape: u8({ id: 2, mask: 3, doc: 'Tape drive register' }),
    rate: u8({ id: 3, reset: 2, mask: 3, doc: 'Data rate' }),
    phase: u8({ id: 4, range: [0, Phase.Result], doc: 'Command, work, result' }),
    command: bytes(9, { id: 5, doc: 'Bytes of the command' }),
    filled: u8({ id: 6, range: [0, 9], doc: 'How many of them' }),
    result: bytes(10, { id: 7, doc: 'Bytes of the result' }),
    resultBytes: u8({ id: 8, range: [0, 10], doc: 'How many of them' }),
    resultAt: u8({ id: 9, range: [0, 10], doc: 'How many the guest has read' }),
    interrupt: bool({ id: 10, doc: 'Interrupt output' }),
    cylinders: array('u8', UNITS, { id: 11, range: [0, CYLINDERS], doc: 'Where the head of each drive is' }),
    sense: array('u8', 4, { id: 12, reset: NOTHING, doc: 'Status that waits for SENSE INTERRUPT; ff: none' }),
    seenChanges: array('u32', UNITS, { id: 13, doc: 'Medium changes that a step has cleared from the change line' }),
    specify: array('u8', 2, { id: 14, doc: 'SPECIFY' }),
    configured: array('u8', 3, { id: 15, doc: 'CONFIGURE' }),
    locked: bool({ id: 16, doc: 'CONFIGURE survives a reset by software' }),
    perpendicular: u8({ id: 17, doc: 'PERPENDICULAR MODE' }),
    sector: u32({ id: 18, range: [0, 2 ** 20], doc: 'First sector of the request, from the start of the medium' }),
    count: u32({ id: 19, range: [0, RUN], doc: 'Sectors of the command that are not done' }),
    buffer: bytes(SECTOR, { id: 20, doc: 'What FORMAT writes into a sector', align: 8 }),
  },
  create({ state, irqs, drives, channel }) {
    const code = () => (state.command[0] as number) & 0x1f;
    const unit = () => (state.command[1] as number) & 3;
    const head = () => ((state.command[1] as number) >>> 2) & 1;
    const lineOf = (which: number): DriveLine | undefined => (which < UNITS ? drives[which] : undefined);
    const formatIn = (which: number): FloppyFormat | undefined => {
      const medium = lineOf(which)?.medium();
      return medium?.present ? formatOf(medium.bytes) : undefined;
    };
    const settle = () => irqs.intr.set(state.interrupt && (state.output & Output.DmaGate) !== 0);
    const interrupt = (active: boolean) => {
      state.interrupt = active;
      settle();
    };

    const answer = (values: readonly number[], loud = false) => {
      state.result.set(values);
      state.resultBytes = values.length;
      state.resultAt = 0;
      state.filled = 0;
      state.phase = values.length > 0 ? Phase.Result : Phase.Command;
      if (loud) interrupt(true);
    };
    /** End of a command that moves data: status, and the address of the sector that would be next. */
    const finish = (st0: number, [st1, st2]: readonly [number, number] = [0, 0]) => {
      const [, , c, h, r, n] = state.command;
      answer([st0 | (head() << 2) | unit(), st1, st2, c ?? 0, h ?? 0, r ?? 0, n ?? 0], true);
    };
    const fail = (st1: number, st2 = 0) => finish(St0.Abnormal, [st1, st2]);

    const resetController = () => {
      for (const line of drives) line?.cancel();
      state.phase = Phase.Command;
      state.filled = 0;
      if (!state.locked) state.configured.fill(0);
      state.perpendicular &= ~3;
      state.sense.fill(NOTHING);
    };
    /** After a reset every drive tells that it is there, whether it is or not. */
    const leaveReset = () => {
      for (let i = 0; i < 4; i++) state.sense[i] = St0.Polled | i;
      interrupt(true);
    };

    const step = (cylinder: number) => {
      const which = unit();
      const line = lineOf(which);
      if (line === undefined) state.sense[which] = St0.SeekEnd | St0.EquipmentCheck | St0.Abnormal | which;
      else {
        state.cylinders[which] = Math.min(CYLINDERS, Math.max(0, cylinder));
        if (line.medium().present) state.seenChanges[which] = line.changes();
        state.sense[which] = St0.SeekEnd | (head() << 2) | which;
      }
      answer([]);
      interrupt(true);
    };
    const seek = () => {
      const [first = 0, , distance = 0] = state.command;
      const now = state.cylinders[unit()] ?? 0;
      if (!(first & MULTITRACK)) step(distance);
      else step(first & INWARDS ? now + distance : now - distance);
    };
    const senseInterrupt = () => {
      const which = state.sense.findIndex((status) => status !== NOTHING);
      interrupt(false);
      if (which < 0) return answer([St0.Invalid]);
      const status = state.sense[which] as number;
      state.sense[which] = NOTHING;
      answer([status, state.cylinders[which] ?? 0]);
    };

    /** The medium under the head, when what the guest set can read it. */
    const readable = (): FloppyFormat | undefined => {
      const format = formatIn(unit());
      const slow = state.rate === 1 || state.rate === 2;
      const fits = format && (format.rate === state.rate || (format.rate === 2 && slow));
      return fits && (state.cylinders[unit()] as number) < format.cylinders && head() < format.heads ? format : undefined;
    };
    const readId = () => {
      if (!readable()) return fail(St1.NoAddressMark);
      [state.command[2], state.command[3], state.command[4], state.command[5]] = [
        state.cylinders[unit()] as number,
        head(),
        1,
        2,
      ];
      finish(0);
    };
    const writable = () => lineOf(unit())?.medium().readonly === false;

    const startTransfer = () => {
      const format = readable();
      if (code() === Code.readTrack) state.command[4] = 1;
      const [, , c = 0, h = 0, r = 0, n = 0, last = 0] = state.command;
      if ((state.specify[1] as number) & WITHOUT_DMA && code() !== Code.verify) return fail(St1.NoData);
      if (!format) return fail(St1.NoAddressMark);
      if (WRITES.includes(code()) && !writable()) return fail(St1.NotWritable);
      const here = state.cylinders[unit()] as number;
      if (c !== here) return fail(St1.NoData, St2.WrongCylinder);
      if (n !== 2 || h !== head() || r < 1 || r > format.track) return fail(St1.NoData);
      const both = ((state.command[0] as number) & MULTITRACK) !== 0 && h === 0 && format.heads === 2;
      const end = Math.min(last, format.track);
      state.sector = (c * format.heads + h) * format.track + r - 1;
      // A run over both heads is one on the medium only when it goes to the end of the track.
      state.count = Math.max(1, end - r + 1) + (both && end === format.track ? end : 0);
      work();
    };
    const startFormat = () => {
      const [, , n = 0, sectors = 0, , filler = 0] = state.command;
      const transfer = channel.transfer();
      const format = readable();
      const here = state.cylinders[unit()] as number;
      if (!format) return fail(St1.NoAddressMark);
      if (!writable()) return fail(St1.NotWritable);
      if (n !== 2 || sectors !== format.track || transfer === undefined || transfer.bytes < 4 * sectors) return fail(St1.NoData);
      channel.moved(4 * sectors);
      state.buffer.fill(filler);
      state.sector = (here * format.heads + head()) * format.track;
      state.count = sectors;
      work();
    };

    /** Ask the drive for what is left; again after a restore. */
    const work = (): void => {
      const line = lineOf(unit());
      state.phase = Phase.Work;
      if (!line || state.count === 0) return done('failed');
      const offset = state.sector * SECTOR;
      if (code() === Code.format) return line.submit({ op: 'write', offset, bytes: SECTOR, buffers: state.buffer });
      if (code() === Code.verify) return line.submit({ op: 'verify', offset, bytes: state.count * SECTOR });
      const transfer = channel.transfer();
      if (transfer === undefined) return fail(St1.DataError);
      const bytes = Math.min(state.count * SECTOR, transfer.bytes);
      if (transfer.kind === 'verify') return line.submit({ op: 'verify', offset, bytes: Math.ceil(bytes / SECTOR) * SECTOR });
      const first = Math.min(bytes, transfer.beforeWrap);
      const page = transfer.gpa + transfer.beforeWrap - 0x1_0000;
      const ranges: GuestRange[] = [{ gpa: transfer.gpa, bytes: first }];
      if (first < bytes) ranges.push({ gpa: page, bytes: bytes - first });
      line.submit({ op: WRITES.includes(code()) ? 'write' : 'read', offset, bytes, buffers: ranges });
    };
    const done = (result: DriveResult): void => {
      if (state.phase !== Phase.Work) return;
      if (result === 'read-only') return fail(St1.NotWritable);
      if (result === 'no-medium') return fail(St1.NoAddressMark);
      if (result !== 'done') return fail(St1.DataError);
      if (code() === Code.format) {
        state.sector++;
        state.count = Math.max(0, state.count - 1);
        return state.count > 0 ? work() : finish(0);
      }
      const transfer = code() === Code.verify ? undefined : channel.transfer();
      const bytes = Math.min(state.count * SECTOR, transfer?.bytes ?? Number.POSITIVE_INFINITY);
      const counted = transfer === undefined ? true : channel.moved(bytes);
      advance(Math.ceil(bytes / SECTOR));
      // The end of the track before the DMA controller says that it is enough is an error, as PC software knows it.
      if (counted) finish(0);
      else fail(St1.EndOfCylinder);
    };
    /** Cylinder, head and sector of the result: what follows the last one moved. */
    const advance = (sectors: number) => {
      const { command } = state;
      const last = Math.max(1, Math.min(command[6] as number, formatIn(unit())?.track ?? 255));
      let next = (command[4] as number) - 1 + sectors;
      if (next >= last) {
        const both = ((command[0] as number) & MULTITRACK) !== 0;
        if (both && command[3] === 0 && next < 2 * last) {
          command[3] = 1;
          next -= last;
        } else {
          command[2] = ((command[2] as number) + 1) & 0xff;
          if (both) command[3] = 0;
          next = 0;
        }
      }
      command[4] = (next + 1) & 0xff;
    };

    const execute = () => {
      switch (code()) {
        case Code.specify:
          state.specify.set(state.command.subarray(1, 3));
          return answer([]);
        case Code.senseDrive: {
          const line = lineOf(unit());
          const protectedBit = line?.medium().present && line.medium().readonly ? 0x40 : 0;
          const atZero = state.cylinders[unit()] === 0 ? 0x10 : 0;
          return answer([protectedBit | 0x28 | atZero | (head() << 2) | unit()]);
        }
        case Code.recalibrate:
          return step(0);
        case Code.seek:
          return seek();
        case Code.senseInterrupt:
          return senseInterrupt();
        case Code.readId:
          return readId();
        case Code.format:
          return startFormat();
        case Code.version:
          return answer([VERSION]);
        case Code.perpendicular:
          state.perpendicular = state.command[1] as number;
          return answer([]);
        case Code.configure:
          state.configured.set(state.command.subarray(1, 4));
          return answer([]);
        case Code.lock:
          state.locked = ((state.command[0] as number) & 0x80) !== 0;
          return answer([state.locked ? 0x10 : 0]);
        case Code.dumpRegisters: {
          const [one = 0, two = 0] = state.cylinders;
          const [rates = 0, times = 0] = state.specify;
          const locked = (state.locked ? 0x80 : 0) | (state.perpendicular & 0x7f);
          return answer([
            one,
            two,
            0,
            0,
            rates,
            times,
            state.command[6] as number,
            locked,
            state.configured[1] as number,
            state.configured[2] as number,
          ]);
        }
        default:
          startTransfer();
      }
    };

    const writeData = (value: number) => {
      if (state.phase !== Phase.Command || !(state.output & Output.NotReset)) return;
      state.command[state.filled] = value;
      state.filled++;
      const length = LENGTHS[code()];
      if (length === undefined) answer([St0.Invalid]);
      else if (state.filled >= length) execute();
    };
    const readData = (): number => {
      if (state.phase !== Phase.Result) return 0;
      interrupt(false);
      const value = state.result[state.resultAt] ?? 0;
      state.resultAt++;
      if (state.resultAt >= state.resultBytes) {
        state.phase = Phase.Command;
        state.filled = 0;
      }
      return value;
    };
    const mainStatus = (): number => {
      if (!(state.output & Output.NotReset)) return 0;
      if (state.phase === Phase.Work) return Main.Busy;
      if (state.phase === Phase.Result) return Main.Ready | Main.ToHost | Main.Busy;
      return Main.Ready | (state.filled > 0 ? Main.Busy : 0);
    };
    const writeOutput = (value: number) => {
      const before = state.output;
      state.output = value;
      if (!(value & Output.NotReset)) resetController();
      else if (!(before & Output.NotReset)) leaveReset();
      settle();
    };
    const changeLine = (): number => {
      const which = state.output & 3;
      const line = lineOf(which);
      if (!line || !(state.output & (Output.Motor << which))) return 0;
      return !line.medium().present || state.seenChanges[which] !== line.changes() ? 0x80 : 0;
    };

    for (const line of drives) line?.onDone(done);
    return {
      regions: {
        regs: {
          read: (at) => {
            if (at === Reg.Output) return state.output;
            if (at === Reg.Tape) return state.tape;
            if (at === Reg.MainStatus) return mainStatus();
            return at === Reg.Data ? readData() : 0;
          },
          write: (at, value) => {
            if (at === Reg.Output) writeOutput(value & 0xff);
            else if (at === Reg.Tape) state.tape = value & 3;
            else if (at === Reg.Data) writeData(value & 0xff);
            else if (at === Reg.MainStatus) {
              state.rate = value & 3;
              if (value & 0x80) {
                resetController();
                leaveReset();
              }
            }
          },
        },
        input: {
          read: changeLine,
          write: (_at, value) => {
            state.rate = value & 3;
          },
        },
      },
      restored: () => {
        for (const line of drives) line?.cancel();
        settle();
        if (state.phase === Phase.Work) work();
      },
    };
  },
});
