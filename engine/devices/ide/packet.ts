/** A CD drive behind the PACKET command (ATA/ATAPI-7, chapter 6.24). What each packet means is in `packet-commands.ts`. */
import type { DriveResult } from '../drive.ts';
import type { ChannelCore, DriveCommands } from './core.ts';
import { identifyPacket } from './identify.ts';
import { executePacket, TABLE } from './packet-commands.ts';
import { BLOCK, Key, MediaEvent, type PacketCore, Sense } from './packet-core.ts';
import { BUFFER, Command, ErrorBit, Feature, isPowerMode, isPowerQuestion, READY, SECTOR, SIGNATURE, Status } from './spec.ts';
import { PACKET, Phase } from './state.ts';

/** Interrupt reason, in the sector count register. */
const Reason = { Command: 0x01, ToHost: 0x02, Over: 0x03 } as const;
export interface PacketDrive extends DriveCommands {
  /** The guest writes the command packet into the data register. */
  writeCommand(value: number, size: number): void;
  /** After a reset of the channel. */
  reset(): void;
  powerOn(): void;
  /** Ask the guest to let the medium go. */
  requestEject(unit: number): void;
}

export function createPacketDrive(core: ChannelCore): PacketDrive {
  const { state, channel, drive, line } = core;
  const even = (bytes: number) => Math.max(2, bytes & 0xfffe);

  /** Present the buffer from `from` on, as much as the guest takes at once. */
  const offerChunk = (from: number) => {
    const end = Math.min(from + even(state.limit[channel] as number), state.filled[channel] as number);
    const d = drive();
    state.count[d] = Reason.ToHost;
    state.mid[d] = (end - from) & 0xff;
    state.high[d] = (end - from) >>> 8;
    core.offer(Phase.In, { from, end, loud: true });
  };
  const good = () => {
    state.senseKey[drive()] = 0;
    state.sense[drive()] = 0;
    state.count[drive()] = Reason.Over;
    core.end(READY);
  };
  const check = (key: number, sense: number) => {
    state.senseKey[drive()] = key;
    state.sense[drive()] = sense;
    state.count[drive()] = Reason.Over;
    core.end(READY | Status.Err, (key << 4) | ErrorBit.Abort);
  };
  const byDma = () => state.limit[channel] === 0;
  const fill = () => {
    state.filled[channel] = Math.min((state.left[channel] as number) * SECTOR, BUFFER);
  };

  const packets: PacketCore = {
    ...core,
    packet: () => state.packet.subarray(channel * PACKET, channel * PACKET + PACKET),
    good,
    check,
    blocks: () => {
      const medium = line()?.medium();
      return medium?.present ? Math.floor(medium.bytes / BLOCK) : 0;
    },
    respond: (data, limit) => {
      const length = Math.min(data.length, limit, BUFFER);
      state.left[channel] = 0;
      state.filled[channel] = length;
      core.buffer().set(data.subarray(0, length));
      if (length === 0) good();
      else if (byDma()) core.awaitDma();
      else offerChunk(0);
    },
    readMedium: (block, count) => {
      const factor = BLOCK / SECTOR;
      if (count === 0) return good();
      state.lba[channel] = BigInt(block * factor);
      state.left[channel] = count * factor;
      if (byDma()) return core.awaitDma();
      fill();
      core.begin(Phase.Fetch);
    },
  };

  const foreign = () => {
    // A host that takes this for a disk finds the signature of what it is.
    const d = drive();
    [state.count[d], state.low[d], state.mid[d], state.high[d]] = [1, 1, ...SIGNATURE.cdrom];
    core.end(READY | Status.Err, ErrorBit.Abort);
  };
  const setFeatures = () => {
    const d = drive();
    const feature = state.features[d] as number;
    const known: readonly number[] = [
      Feature.EnableReadAhead,
      Feature.DisableReadAhead,
      Feature.EnableRevert,
      Feature.DisableRevert,
    ];
    if (feature === Feature.TransferMode) state.dmaMode[d] = state.count[d] as number;
    else if (!known.includes(feature)) return core.end(READY | Status.Err, ErrorBit.Abort);
    core.end(READY);
  };
  const startPacket = () => {
    const d = drive();
    const limit = ((state.high[d] as number) << 8) | (state.mid[d] as number);
    // No limit is none, and an odd one is one less.
    state.limit[channel] = (state.features[d] as number) & 1 ? 0 : limit === 0 || limit === 0xffff ? 0xfffe : limit;
    state.count[d] = Reason.Command;
    core.offer(Phase.Packet, { from: 0, end: PACKET, loud: false });
  };
  /** Tell of a medium that came or went since the drive was last asked. */
  const notice = () => {
    const [d, target] = [drive(), line()];
    const changes = target?.changes() ?? 0;
    if (state.seenChanges[d] === changes) return;
    state.seenChanges[d] = changes;
    const present = target?.medium().present === true;
    state.mediaEvent[d] = present ? MediaEvent.New : MediaEvent.Removed;
    if (present) {
      state.attention[d] = Sense.NewMedium;
      state.trayOpen[d] = 0;
    }
  };
  const run = () => {
    notice();
    const d = drive();
    const opcode = packets.packet()[0] as number;
    const entry = TABLE.get(opcode);
    if (entry === undefined) return check(Key.Illegal, Sense.Opcode);
    if (state.attention[d] !== 0 && !entry.despiteAttention) {
      const sense = state.attention[d] as number;
      state.attention[d] = 0;
      return check(Key.Attention, sense);
    }
    if (entry.needsMedium && packets.blocks() === 0) {
      return check(Key.NotReady, state.trayOpen[d] ? Sense.NoMediumTrayOpen : Sense.NoMediumTrayClosed);
    }
    executePacket(packets, entry);
  };

  return {
    execute: (command) => {
      if (command === Command.Packet) startPacket();
      else if (command === Command.IdentifyPacket) {
        core.buffer(SECTOR).set(identifyPacket({ serial: line()?.serial ?? '', dmaMode: state.dmaMode[drive()] as number }));
        state.left[channel] = 0;
        state.filled[channel] = SECTOR;
        core.offer(Phase.In, { from: 0, end: SECTOR, loud: true });
      } else if (command === Command.Identify || command === Command.ReadSectors) foreign();
      else if (command === Command.SetFeatures) setFeatures();
      else if (isPowerMode(command)) {
        if (isPowerQuestion(command)) state.count[drive()] = 0xff;
        core.end(READY);
      } else return 'unknown';
      return 'accepted';
    },
    writeCommand: (value, size) => {
      const at = state.at[channel] as number;
      const packet = packets.packet();
      for (let i = 0; i < size && at + i < PACKET; i++) packet[at + i] = value >>> (8 * i);
      state.at[channel] = Math.min(at + size, PACKET);
      if (at + size >= PACKET) run();
    },
    blockDone: () => {
      const at = state.blockEnd[channel] as number;
      if (state.command[channel] === Command.IdentifyPacket) {
        state.phase[channel] = Phase.Idle;
        state.status[drive()] = READY;
      } else if (at < (state.filled[channel] as number)) offerChunk(at);
      else if ((state.left[channel] as number) > 0) {
        fill();
        core.begin(Phase.Fetch);
      } else good();
    },
    request: (phase) => {
      const offset = Number(state.lba[channel]) * SECTOR;
      if (phase === Phase.Fetch) {
        const filled = state.filled[channel] as number;
        return { op: 'read', offset, bytes: filled, buffers: core.buffer(filled) };
      }
      if (phase === Phase.Dma) return { op: 'read', offset, bytes: (state.left[channel] as number) * SECTOR };
      return undefined;
    },
    done: (phase) => {
      if (phase !== Phase.Fetch) {
        state.left[channel] = 0;
        return good();
      }
      const count = (state.filled[channel] as number) / SECTOR;
      state.left[channel] = Math.max(0, (state.left[channel] as number) - count);
      state.lba[channel] = BigInt.asUintN(48, (state.lba[channel] as bigint) + BigInt(Math.floor(count)));
      offerChunk(0);
    },
    failed: (result: DriveResult) => {
      if (result === 'no-medium')
        return check(Key.NotReady, state.trayOpen[drive()] ? Sense.NoMediumTrayOpen : Sense.NoMediumTrayClosed);
      if (result === 'range') return check(Key.Illegal, Sense.Range);
      check(Key.Medium, Sense.ReadError);
    },
    dmaFromBuffer: () => state.left[channel] === 0,
    reset: () => {
      for (const d of [channel * 2, channel * 2 + 1]) {
        state.attention[d] = Sense.PowerOn;
        state.trayLocked[d] = 0;
      }
    },
    powerOn: () => {
      for (const unit of [0, 1] as const) {
        const d = channel * 2 + unit;
        state.attention[d] = Sense.PowerOn;
        state.seenChanges[d] = core.lines[unit]?.changes() ?? 0;
      }
    },
    requestEject: (unit) => {
      state.mediaEvent[channel * 2 + unit] = MediaEvent.EjectRequest;
    },
  };
}
