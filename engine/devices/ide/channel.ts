/**
 * One IDE channel: its command block, its data register, its bus master and what they have in common, whether a disk or a CD drive is
 * selected. The commands of a disk are in `disk.ts`, those of a CD drive in `packet.ts`.
 */
import type { DriveResult } from '../drive.ts';
import type { ChannelCore, ChannelParts, DriveCommands } from './core.ts';
import { Beyond, firstBytes, readRegions, tableBeyond } from './descriptors.ts';
import { createDisk } from './disk.ts';
import { createPacketDrive } from './packet.ts';
import {
  BmCommand,
  BmStatus,
  BUFFER,
  Command,
  Control,
  Device,
  FLOATING,
  READY,
  Reg,
  SECTOR,
  SIGNATURE,
  Status,
} from './spec.ts';
import { Phase } from './state.ts';

export interface Channel {
  read(offset: number, size: number): number;
  write(offset: number, value: number, size: number): void;
  readAlternate(): number;
  writeControl(value: number): void;
  readBusMaster(offset: number): number;
  writeBusMaster(offset: number, value: number): void;
  /** Ask the guest to let a medium go. */
  requestEject(unit: number): void;
  /** Power-on or hard reset: every drive shows its signature. */
  reset(): void;
  restored(): void;
  done(unit: number, result: DriveResult): void;
}

const WAITS: readonly number[] = [Phase.Fetch, Phase.Store, Phase.Dma, Phase.NoData, Phase.Trim];

export function createChannel(parts: ChannelParts): Channel {
  const { state, dma, irq, lines, channel } = parts;
  const present = () => lines[0] !== undefined || lines[1] !== undefined;
  const unit = () => ((state.device[channel] as number) & Device.Second ? 1 : 0);
  const drive = () => channel * 2 + unit();
  const line = () => lines[unit()];
  const status = () => state.status[drive()] as number;
  const phase = () => state.phase[channel] as number;

  const settle = () => {
    const enabled = ((state.control[channel] as number) & Control.NoInterrupt) === 0;
    irq.set(state.interrupt[channel] !== 0 && enabled && line() !== undefined);
  };
  const raise = () => {
    state.interrupt[channel] = 1;
    state.bmStatus[channel] = (state.bmStatus[channel] as number) | BmStatus.Interrupt;
    settle();
  };
  const lower = () => {
    state.interrupt[channel] = 0;
    settle();
  };
  const inactive = () => {
    state.bmStatus[channel] = (state.bmStatus[channel] as number) & ~BmStatus.Active;
  };

  const core: ChannelCore = {
    ...parts,
    drive,
    line,
    buffer: (size = BUFFER) => state.buffer.subarray(channel * BUFFER, channel * BUFFER + size),
    begin: (next) => {
      state.phase[channel] = next;
      state.status[drive()] = Status.Busy | Status.Seek;
      submit();
    },
    offer: (next, { from, end, loud }) => {
      state.phase[channel] = next;
      state.at[channel] = from;
      state.blockEnd[channel] = end;
      state.status[drive()] = READY | Status.Drq;
      if (loud) raise();
    },
    end: (result, error = 0) => {
      state.phase[channel] = Phase.Idle;
      state.status[drive()] = result;
      state.error[drive()] = error;
      raise();
    },
    awaitDma: () => {
      state.phase[channel] = Phase.DmaReady;
      state.status[drive()] = READY | Status.Drq;
      if ((state.bmStatus[channel] as number) & BmStatus.Active) startDma();
    },
  };
  const disk = createDisk(core);
  const packet = createPacketDrive(core);
  const commands = (): DriveCommands => (line()?.kind === 'cdrom' ? packet : disk);

  /** Ask the drive for what the phase says; again after a restore. */
  const submit = () => {
    const target = line();
    const request = target && commands().request(phase());
    if (!request) return core.end(READY);
    if (phase() !== Phase.Dma) return target.submit(request);
    const regions = readRegions(dma, state.bmTable[channel] as number, request.bytes);
    const bytes = regions.bytes - (regions.bytes % SECTOR);
    state.bmMore[channel] = tableBeyond(regions, request.bytes);
    if (bytes === 0) return stall();
    const { op, offset, durable } = request;
    const buffers = bytes === regions.bytes ? regions.ranges : firstBytes(regions.ranges, bytes);
    target.submit({ op, offset, bytes, buffers, ...(durable && { durable }) });
  };
  /** The drive asks for more than the table has: nothing more happens, and no interrupt (SFF-8038i, 3.1). */
  const stall = () => {
    inactive();
    state.phase[channel] = Phase.Stalled;
  };

  const startDma = () => {
    if (phase() !== Phase.DmaReady) return;
    if (!commands().dmaFromBuffer()) {
      core.begin(Phase.Dma);
      return;
    }
    const wanted = state.filled[channel] as number;
    const regions = readRegions(dma, state.bmTable[channel] as number, wanted);
    const { ranges, bytes } = regions;
    state.bmMore[channel] = tableBeyond(regions, wanted);
    const toMemory = state.command[channel] === Command.Packet;
    const data = core.buffer(wanted);
    let at = 0;
    for (const range of ranges) {
      if (toMemory) dma.write(range.gpa, data.slice(at, at + range.bytes));
      else data.set(dma.read(range.gpa, range.bytes), at);
      at += range.bytes;
    }
    if (bytes < wanted) return stall();
    moved(bytes);
  };
  /** A whole transfer went through the bus master. */
  const moved = (bytes: number) => {
    if (state.bmMore[channel] === Beyond.Even) inactive();
    commands().done(Phase.Dma, bytes);
  };

  const signature = (which: number) => {
    const target = lines[which];
    const d = channel * 2 + which;
    const [mid = 0, high = 0] = SIGNATURE[target?.kind === 'cdrom' ? 'cdrom' : 'disk'];
    state.count[d] = 1;
    state.low[d] = 1;
    state.mid[d] = mid;
    state.high[d] = high;
    state.error[d] = 1;
    state.status[d] = target === undefined ? 0 : target.kind === 'cdrom' ? 0 : READY;
    state.features[d] = 0;
    for (const member of [state.countHigh, state.lowHigh, state.midHigh, state.highHigh]) member[d] = 0;
  };
  const abandon = () => {
    for (const target of lines) target?.cancel();
    state.phase[channel] = Phase.Idle;
    inactive();
  };
  /** Both drives as after a reset of the channel. */
  const softReset = () => {
    abandon();
    state.interrupt[channel] = 0;
    state.device[channel] = 0;
    for (const which of [0, 1]) signature(which);
    packet.reset();
    settle();
  };

  const execute = (command: number) => {
    if (command === Command.DeviceReset && line()?.kind === 'cdrom') {
      line()?.cancel();
      state.phase[channel] = Phase.Idle;
      signature(unit());
      lower();
      return;
    }
    if (status() & (Status.Busy | Status.Drq)) return;
    lower();
    if (command === Command.Diagnostic) {
      for (const which of [0, 1]) if (lines[which]) signature(which);
      state.device[channel] = 0;
      raise();
      return;
    }
    if (line() === undefined) return;
    state.command[channel] = command;
    state.error[drive()] = 0;
    if (commands().execute(command) === 'unknown') core.end(READY | Status.Err, 0x04);
  };

  const readRegister = (offset: number): number => {
    if (!present()) return FLOATING;
    const d = drive();
    if (offset === Reg.StatusCommand) {
      lower();
      return status();
    }
    if (offset === Reg.Device) return (state.device[channel] as number) | 0xa0;
    const previous = ((state.control[channel] as number) & Control.HighOrder) !== 0;
    switch (offset) {
      case Reg.ErrorFeatures:
        return state.error[d] as number;
      case Reg.Count:
        return (previous ? state.countHigh : state.count)[d] as number;
      case Reg.Low:
        return (previous ? state.lowHigh : state.low)[d] as number;
      case Reg.Mid:
        return (previous ? state.midHigh : state.mid)[d] as number;
      default:
        return (previous ? state.highHigh : state.high)[d] as number;
    }
  };
  /** Both drives of a channel hear what is written to the command block. */
  const latch = (current: Uint8Array, previous: Uint8Array | undefined, value: number) => {
    const first = channel * 2;
    for (let d = first; d < first + 2; d++) {
      if (previous) previous[d] = current[d] as number;
      current[d] = value;
    }
  };
  const writeRegister = (offset: number, value: number) => {
    if (offset === Reg.StatusCommand) return execute(value);
    state.control[channel] = (state.control[channel] as number) & ~Control.HighOrder;
    if (status() & (Status.Busy | Status.Drq)) return;
    if (offset === Reg.ErrorFeatures) latch(state.features, undefined, value);
    else if (offset === Reg.Count) latch(state.count, state.countHigh, value);
    else if (offset === Reg.Low) latch(state.low, state.lowHigh, value);
    else if (offset === Reg.Mid) latch(state.mid, state.midHigh, value);
    else if (offset === Reg.High) latch(state.high, state.highHigh, value);
    else {
      state.device[channel] = value;
      settle();
    }
  };

  const readData = (size: number): number => {
    if (phase() !== Phase.In) return 0;
    const from = state.at[channel] as number;
    const base = channel * BUFFER + from;
    let value = 0;
    for (let i = 0; i < size && from + i < BUFFER; i++) value |= (state.buffer[base + i] as number) << (8 * i);
    advance(from + size);
    return value >>> 0;
  };
  const writeData = (value: number, size: number) => {
    if (phase() === Phase.Packet) return packet.writeCommand(value, size);
    if (phase() !== Phase.Out) return;
    const from = state.at[channel] as number;
    const base = channel * BUFFER + from;
    for (let i = 0; i < size && from + i < BUFFER; i++) state.buffer[base + i] = value >>> (8 * i);
    advance(from + size);
  };
  const advance = (to: number) => {
    const end = state.blockEnd[channel] as number;
    state.at[channel] = Math.min(to, end);
    if (to >= end) commands().blockDone();
  };

  return {
    read: (offset, size) => {
      if (offset === Reg.Data) return present() ? readData(size) : 0xffff_ffff;
      let value = 0;
      for (let i = 0; i < size && offset + i <= Reg.StatusCommand; i++) value |= readRegister(offset + i) << (8 * i);
      return value >>> 0;
    },
    write: (offset, value, size) => {
      if (!present()) return;
      if (offset === Reg.Data) return writeData(value, size);
      for (let i = 0; i < size && offset + i <= Reg.StatusCommand; i++) writeRegister(offset + i, (value >>> (8 * i)) & 0xff);
    },
    readAlternate: () => (present() ? status() : FLOATING),
    writeControl: (value) => {
      const before = state.control[channel] as number;
      state.control[channel] = value & (Control.HighOrder | Control.Reset | Control.NoInterrupt);
      if (!present()) return;
      if (value & Control.Reset && !(before & Control.Reset)) {
        softReset();
        for (const which of [0, 1]) if (lines[which]) state.status[channel * 2 + which] = Status.Busy;
      } else if (!(value & Control.Reset) && before & Control.Reset) softReset();
      settle();
    },
    readBusMaster: (offset) => {
      if (offset === 0) return state.bmCommand[channel] as number;
      if (offset === 2) return state.bmStatus[channel] as number;
      return offset >= 4 ? ((state.bmTable[channel] as number) >>> (8 * (offset - 4))) & 0xff : 0xff;
    },
    writeBusMaster: (offset, value) => {
      if (offset === 0) {
        const started = value & ~(state.bmCommand[channel] as number) & BmCommand.Start;
        state.bmCommand[channel] = value & (BmCommand.Start | BmCommand.ToMemory);
        if (!(value & BmCommand.Start)) return inactive();
        if (!started) return;
        state.bmStatus[channel] = (state.bmStatus[channel] as number) | BmStatus.Active;
        startDma();
      } else if (offset === 2) {
        const cleared = value & (BmStatus.Error | BmStatus.Interrupt);
        const kept = (state.bmStatus[channel] as number) & ~cleared & ~BmStatus.Kept;
        state.bmStatus[channel] = kept | (value & BmStatus.Kept);
      } else if (offset >= 4) {
        const shift = 8 * (offset - 4);
        const table = ((state.bmTable[channel] as number) & ~(0xff << shift)) | (value << shift);
        state.bmTable[channel] = (table & ~3) >>> 0;
      }
    },
    requestEject: (which) => packet.requestEject(which),
    reset: () => {
      for (const target of lines) target?.cancel();
      for (const which of [0, 1]) signature(which);
      packet.powerOn();
    },
    restored: () => {
      for (const target of lines) target?.cancel();
      settle();
      if (WAITS.includes(phase())) submit();
    },
    done: (which, result) => {
      if (which !== unit() || !WAITS.includes(phase())) return;
      const now = phase();
      if (result !== 'done') {
        inactive();
        commands().failed(result);
      } else if (now !== Phase.Dma) commands().done(now, 0);
      else {
        if (state.bmMore[channel] === Beyond.Short) stall();
        else moved((state.left[channel] as number) * SECTOR);
      }
    },
  };
}
