/**
 * Moving sectors between a drive and guest memory in pieces of at most 64 KiB: one piece is begun or looked at in each trap, so that no
 * trap waits or does unbounded work. What a drive cannot reach (memory-mapped devices, parts of a CD's sectors) goes through a buffer.
 */
import { Private } from '../areas.ts';
import type { BiosDiskRequest, BiosDiskResult } from '../disk.ts';
import { Action, type Frame } from '../frame.ts';
import type { BiosHost } from '../host.ts';
import type { Target } from './targets.ts';

export interface Transfer {
  readonly kind: 'read' | 'write' | 'verify';
  /** In the target's own sectors. */
  readonly sector: number;
  /** At most 65535. */
  readonly count: number;
  readonly gpa: number;
}

/** Sectors moved so far, when it is over. */
export interface TransferEnd {
  readonly result: Exclude<BiosDiskResult, 'busy'>;
  readonly done: number;
}

const IN_FLIGHT = 0x4000_0000;
const DONE = 0xffff;
const PIECE = 0x10000;
const CD_SECTOR = 2048;

interface Piece {
  readonly request: BiosDiskRequest;
  /** Sectors of the target that it moves. */
  readonly sectors: number;
  /** Its bytes in the buffer; undefined when the drive reaches the caller's memory itself. */
  readonly buffered?: { readonly from: number; readonly length: number; readonly gpa: number };
}

function pieceOf({ memory }: BiosHost, target: Target, transfer: Transfer, done: number): Piece {
  const { sectorBytes, image } = target;
  const sector = transfer.sector + done;
  const left = transfer.count - done;
  const gpa = transfer.gpa + done * sectorBytes;
  const direct = Math.min(left, PIECE / sectorBytes);
  const reaches = transfer.kind === 'verify' || memory.isRam(gpa, direct * sectorBytes);
  const kind = transfer.kind;
  if (image === undefined) {
    if (reaches) return { request: { kind, sector, count: direct, gpa }, sectors: direct };
    const count = Math.min(left, Private.SectorBytes / sectorBytes);
    const length = count * sectorBytes;
    return { request: { kind, sector, count, gpa: Private.Sector }, sectors: count, buffered: { from: 0, length, gpa } };
  }
  const each = CD_SECTOR / 512;
  const at = image + Math.floor(sector / each);
  const first = sector % each;
  if (first === 0 && left >= each && reaches) {
    const count = Math.floor(direct / each);
    return { request: { kind, sector: at, count, gpa }, sectors: count * each };
  }
  const sectors = Math.min(left, each - first);
  return {
    request: { kind, sector: at, count: 1, gpa: Private.Sector },
    sectors,
    buffered: { from: first * 512, length: sectors * 512, gpa },
  };
}

/** One step. Undefined: not over, the frame says when to trap again. `scratch` of the frame belongs to this. */
export function stepTransfer(host: BiosHost, f: Frame, target: Target, transfer: Transfer): TransferEnd | undefined {
  const { memory } = host;
  let done = Math.min(f.scratch & DONE, transfer.count);
  if (f.scratch & IN_FLIGHT) {
    const result = target.drive.poll();
    if (result === 'busy') {
      f.again(Action.Spin, f.scratch);
      return undefined;
    }
    if (result !== 'done') return { result, done };
    const { buffered, sectors } = pieceOf(host, target, transfer, done);
    if (buffered && transfer.kind === 'read')
      memory.write(buffered.gpa, memory.read(Private.Sector + buffered.from, buffered.length));
    done += sectors;
  }
  if (done >= transfer.count) return { result: 'done', done: transfer.count };
  const { request, buffered } = pieceOf(host, target, transfer, done);
  if (buffered && transfer.kind === 'write') memory.write(Private.Sector, memory.read(buffered.gpa, buffered.length));
  target.drive.start(request);
  f.again(Action.Spin, IN_FLIGHT | done);
  // What a drive finishes at once need not be asked for again.
  return target.drive.poll() === 'busy' ? undefined : stepAgain(host, f, target, transfer);
}

function stepAgain(host: BiosHost, f: Frame, target: Target, transfer: Transfer): TransferEnd | undefined {
  const done = f.scratch & DONE;
  const { sectors } = pieceOf(host, target, transfer, done);
  // Only the last piece: the others are taken up by the next trap, which bounds this one.
  if (done + sectors < transfer.count) return undefined;
  const end = stepTransfer(host, f, target, transfer);
  if (end) f.again(Action.Return, 0);
  return end;
}
