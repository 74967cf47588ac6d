/** Commands of an ATA disk (ATA/ATAPI-7, chapter 6): general feature set, 48-bit addresses, power management, TRIM. */
import type { DriveRequest, DriveResult } from '../drive.ts';
import type { ChannelCore, DriveCommands } from './core.ts';
import { defaultGeometry, type Geometry, identifyDisk } from './identify.ts';
import {
  BUFFER,
  Command,
  Device,
  ErrorBit,
  Feature,
  isPowerMode,
  isPowerQuestion,
  isRecalibrate,
  MULTIPLE,
  READY,
  SECTOR,
  Status,
  TRIM_PAGES,
  type Transfer,
  transfers,
} from './spec.ts';
import { Phase } from './state.ts';

const LBA28 = 0x0fff_ffff;
/** In the Device register of a drive that is idle: what CHECK POWER MODE says. */
const ACTIVE = 0xff;

export function createDisk(core: ChannelCore): DriveCommands {
  const { state, channel, drive, line } = core;
  const sectors = (): number => Math.floor((line()?.medium().bytes ?? 0) / SECTOR);
  const current = (): Transfer | undefined => transfers.get(state.command[channel] as number);

  const geometry = (): Geometry => {
    const [heads, track] = [state.heads[drive()] as number, state.track[drive()] as number];
    if (heads === 0 || track === 0) return defaultGeometry(sectors());
    return { heads, track, cylinders: Math.min(0xffff, Math.floor(sectors() / (heads * track))) };
  };
  /** Sectors of one DRQ block. */
  const block = (): number => (current()?.kind === 'multiple' ? Math.max(1, state.multiple[drive()] as number) : 1);

  /** First sector as the registers say it; undefined for a cylinder, head or sector that the geometry lacks. */
  const address = (wide: boolean): number | undefined => {
    const d = drive();
    const [low, mid, high] = [state.low[d] as number, state.mid[d] as number, state.high[d] as number];
    const device = state.device[channel] as number;
    const small = high * 2 ** 16 + mid * 2 ** 8 + low;
    if (wide) {
      const [l, m, h] = [state.lowHigh[d] as number, state.midHigh[d] as number, state.highHigh[d] as number];
      return (h * 2 ** 16 + m * 2 ** 8 + l) * 2 ** 24 + small;
    }
    if (device & Device.Lba) return (device & 0x0f) * 2 ** 24 + small;
    const { heads, track, cylinders } = geometry();
    const [cylinder, head] = [high * 256 + mid, device & 0x0f];
    if (low < 1 || low > track || head >= heads || cylinder >= cylinders) return undefined;
    return (cylinder * heads + head) * track + low - 1;
  };
  const length = (wide: boolean): number => {
    const d = drive();
    if (wide) return ((state.countHigh[d] as number) << 8) | (state.count[d] as number) || 0x1_0000;
    return (state.count[d] as number) || 0x100;
  };
  const abort = (error: number = ErrorBit.Abort) => core.end(READY | Status.Err, error);
  const succeed = () => core.end(READY);

  /** Take range and length of a command; false when the command is refused already. */
  const aim = (wide: boolean): boolean => {
    const first = address(wide);
    const count = length(wide);
    if (first === undefined || first + count > sectors()) {
      abort(ErrorBit.IdNotFound);
      return false;
    }
    state.lba[channel] = BigInt(first);
    state.left[channel] = count;
    return true;
  };
  /** As much of the transfer as the buffer takes. */
  const fill = () => {
    state.filled[channel] = Math.min(state.left[channel] as number, BUFFER / SECTOR) * SECTOR;
  };
  const offerBlock = (phase: number, from: number, loud: boolean) => {
    core.offer(phase, { from, end: Math.min(from + block() * SECTOR, state.filled[channel] as number), loud });
  };

  const transfer = (what: Transfer) => {
    if (what.kind === 'multiple' && state.multiple[drive()] === 0) return abort();
    if (what.write && line()?.medium().readonly) return abort();
    if (!aim(what.wide)) return;
    if (what.kind === 'dma') return core.awaitDma();
    fill();
    if (what.write) offerBlock(Phase.Out, 0, false);
    else core.begin(Phase.Fetch);
  };
  /** The buffer's sectors are done. */
  const advance = (): number => {
    const count = (state.filled[channel] as number) / SECTOR;
    const left = Math.max(0, (state.left[channel] as number) - count);
    state.left[channel] = left;
    state.lba[channel] = BigInt.asUintN(48, (state.lba[channel] as bigint) + BigInt(count));
    return left;
  };

  const setFeatures = () => {
    const d = drive();
    switch (state.features[d]) {
      case Feature.EnableWriteCache:
        state.writeThrough[d] = 0;
        return succeed();
      case Feature.DisableWriteCache:
        state.writeThrough[d] = 1;
        core.begin(Phase.NoData); // what the cache holds goes out first
        return;
      case Feature.TransferMode: {
        const mode = state.count[d] as number;
        const known = mode <= 1 || (mode & 0xf8) === 0x08 || (mode & 0xf8) === 0x20;
        if (!known || (mode & 7) > 4) return abort();
        state.dmaMode[d] = mode;
        return succeed();
      }
      case Feature.EnableReadAhead:
      case Feature.DisableReadAhead:
      case Feature.EnableRevert:
      case Feature.DisableRevert:
        return succeed();
      default:
        return abort();
    }
  };
  const setMultiple = () => {
    const count = state.count[drive()] as number;
    if (count > MULTIPLE || (count & (count - 1)) !== 0) return abort();
    state.multiple[drive()] = count;
    succeed();
  };
  const initializeParameters = () => {
    state.track[drive()] = state.count[drive()] as number;
    state.heads[drive()] = ((state.device[channel] as number) & 0x0f) + 1;
    succeed();
  };
  const nativeMax = (wide: boolean) => {
    const d = drive();
    const last = wide ? sectors() - 1 : Math.min(sectors() - 1, LBA28);
    const byte = (n: number) => Math.floor(last / 2 ** (8 * n)) & 0xff;
    [state.low[d], state.mid[d], state.high[d]] = [byte(0), byte(1), byte(2)];
    if (wide) [state.lowHigh[d], state.midHigh[d], state.highHigh[d]] = [byte(3), byte(4), byte(5)];
    else state.device[channel] = ((state.device[channel] as number) & 0xf0) | (byte(3) & 0x0f);
    succeed();
  };
  const identify = () => {
    const d = drive();
    const image = identifyDisk({
      serial: line()?.serial ?? '',
      sectors: sectors(),
      multiple: state.multiple[d] as number,
      writeCache: state.writeThrough[d] === 0,
      dmaMode: state.dmaMode[d] as number,
      geometry: geometry(),
    });
    core.buffer(SECTOR).set(image);
    state.left[channel] = 1;
    state.filled[channel] = SECTOR;
    core.offer(Phase.In, { from: 0, end: SECTOR, loud: true });
  };
  const trim = () => {
    const pages = state.count[drive()] as number;
    if (state.features[drive()] !== 1 || pages === 0 || pages > TRIM_PAGES) return abort();
    if (line()?.medium().readonly) return abort();
    state.filled[channel] = pages * SECTOR;
    core.awaitDma();
  };
  /** The next range of the list in the buffer: 48 bits of first sector, 16 of length; empty ones are skipped, a wrong one ends it. */
  const nextTrim = (): DriveRequest | undefined => {
    const list = core.buffer();
    const view = new DataView(list.buffer, list.byteOffset, list.byteLength);
    for (let at = state.at[channel] as number; at + 8 <= (state.filled[channel] as number); at += 8) {
      const count = view.getUint16(at + 6, true);
      if (count === 0) continue;
      const first = view.getUint16(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
      state.at[channel] = at;
      if (first + count > sectors()) return undefined;
      return { op: 'discard', offset: first * SECTOR, bytes: count * SECTOR };
    }
    return undefined;
  };

  return {
    execute: (command) => {
      const what = transfers.get(command);
      if (what) transfer(what);
      else if (isRecalibrate(command)) succeed();
      else if (isPowerMode(command)) {
        if (isPowerQuestion(command)) state.count[drive()] = ACTIVE;
        succeed();
      } else {
        switch (command) {
          case Command.Identify:
            identify();
            break;
          case Command.Verify:
          case Command.VerifyOnce:
          case Command.VerifyExt:
            if (aim(command === Command.VerifyExt)) core.begin(Phase.NoData);
            break;
          case Command.Flush:
          case Command.FlushExt:
            core.begin(Phase.NoData);
            break;
          case Command.SetFeatures:
            setFeatures();
            break;
          case Command.SetMultiple:
            setMultiple();
            break;
          case Command.InitializeParameters:
            initializeParameters();
            break;
          case Command.ReadNativeMax:
          case Command.ReadNativeMaxExt:
            nativeMax(command === Command.ReadNativeMaxExt);
            break;
          case Command.DataSetManagement:
            trim();
            break;
          default:
            return 'unknown';
        }
      }
      return 'accepted';
    },
    blockDone: () => {
      const at = state.blockEnd[channel] as number;
      const filled = state.filled[channel] as number;
      const reading = state.phase[channel] === Phase.In;
      if (at < filled) return offerBlock(reading ? Phase.In : Phase.Out, at, true);
      if (!reading) return core.begin(Phase.Store);
      if (advance() > 0) {
        fill();
        return core.begin(Phase.Fetch);
      }
      // The last block of a read ends without an interrupt.
      state.phase[channel] = Phase.Idle;
      state.status[drive()] = READY;
    },
    request: (phase) => {
      const offset = Number(state.lba[channel]) * SECTOR;
      const filled = state.filled[channel] as number;
      const durable = state.writeThrough[drive()] !== 0 || current()?.durable === true;
      if (phase === Phase.Fetch) return { op: 'read', offset, bytes: filled, buffers: core.buffer(filled) };
      if (phase === Phase.Store) return { op: 'write', offset, bytes: filled, buffers: core.buffer(filled), durable };
      const bytes = (state.left[channel] as number) * SECTOR;
      if (phase === Phase.Dma) return current()?.write ? { op: 'write', offset, bytes, durable } : { op: 'read', offset, bytes };
      if (phase === Phase.Trim) return nextTrim();
      const verify = [Command.Verify, Command.VerifyOnce, Command.VerifyExt].some((one) => one === state.command[channel]);
      return verify ? { op: 'verify', offset, bytes } : { op: 'flush', offset: 0, bytes: 0 };
    },
    done: (phase) => {
      switch (phase) {
        case Phase.Fetch:
          offerBlock(Phase.In, 0, true);
          return;
        case Phase.Store:
          if (advance() === 0) return succeed();
          fill();
          offerBlock(Phase.Out, 0, true);
          return;
        case Phase.Dma:
          if (state.command[channel] === Command.DataSetManagement) {
            state.at[channel] = 0;
            return core.begin(Phase.Trim);
          }
          state.left[channel] = 0;
          state.count[drive()] = 0;
          return succeed();
        case Phase.Trim:
          state.at[channel] = (state.at[channel] as number) + 8;
          return core.begin(Phase.Trim);
        default:
          succeed();
      }
    },
    failed: (result: DriveResult) => {
      const error = { failed: ErrorBit.Uncorrectable, range: ErrorBit.IdNotFound } as Record<string, number>;
      abort(error[result] ?? ErrorBit.Abort);
    },
    dmaFromBuffer: () => state.command[channel] === Command.DataSetManagement,
  };
}
