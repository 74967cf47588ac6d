/**
 * The BIOS's own place at a drive, beside that of the controller: one request at a time, begun in one trap and looked at in others.
 *
 * Threats: the guest chooses sectors, counts and addresses through BIOS services, which bound them; the drive's server bounds them again.
 * The medium comes and goes as the person wants.
 * A restored request may name anything a guest could have asked for, and is issued again.
 */
import { u8, u32, u64 } from '../../state/index.ts';
import { defineDevice } from '../device.ts';
import { type DriveLine, type DriveResult, driveLines } from '../drive.ts';

const OPS = ['read', 'write', 'verify', 'flush'] as const;
type Op = (typeof OPS)[number];
/** In the order of their numbers in the state. */
const RESULTS = ['done', 'busy', 'no-medium', 'range', 'read-only', 'failed'] as const;
const BUSY = RESULTS.indexOf('busy');

export interface BiosDriveRequest {
  readonly op: Op;
  /** Bytes from the start of the medium, and how many: whole sectors of 512. */
  readonly offset: number;
  readonly bytes: number;
  readonly gpa: number;
}

const SECTOR = 512;
const MOST_BYTES = 0x10000;

export const biosDrive = defineDevice({
  type: 'bios-drive',
  needs: { lines: driveLines },
  state: {
    result: u8({
      id: 1,
      range: [0, RESULTS.length - 1],
      doc: 'Result of the last request: 0 done, 1 busy, 2 no medium, 3 range, 4 read-only, 5 failed',
    }),
    op: u8({ id: 2, range: [0, OPS.length - 1], doc: 'Read, write, verify or flush' }),
    sector: u64({ id: 3, mask: 0xffff_ffff_ffffn, doc: 'First sector of 512 bytes' }),
    sectors: u32({ id: 4, range: [0, MOST_BYTES / SECTOR], doc: 'How many' }),
    gpa: u64({ id: 5, mask: 0xf_ffff_ffff_ffffn, doc: 'Guest-physical address of the buffer' }),
  },
  create({ state, lines }) {
    const line: DriveLine | undefined = lines[0];
    const submit = () => {
      const op = OPS[state.op] ?? 'flush';
      const bytes = op === 'flush' ? 0 : state.sectors * SECTOR;
      const buffers = op === 'read' || op === 'write' ? [{ gpa: Number(state.gpa), bytes }] : [];
      line?.submit({ op, offset: op === 'flush' ? 0 : Number(state.sector) * SECTOR, bytes, buffers });
    };
    line?.onDone((result: DriveResult) => {
      if (state.result === BUSY) state.result = RESULTS.indexOf(result);
    });
    return {
      reset: () => line?.cancel(),
      restored: () => {
        if (state.result !== BUSY) return;
        line?.cancel();
        submit();
      },
      api: {
        start: (request: BiosDriveRequest) => {
          if (state.result === BUSY) line?.cancel();
          state.op = OPS.indexOf(request.op);
          state.sector = BigInt(Math.floor(request.offset / SECTOR));
          state.sectors = Math.min(Math.floor(request.bytes / SECTOR), MOST_BYTES / SECTOR);
          state.gpa = BigInt(Math.max(0, Math.min(request.gpa, 2 ** 52 - 1)));
          state.result = line ? BUSY : RESULTS.indexOf('no-medium');
          submit();
        },
        poll: (): DriveResult | 'busy' => RESULTS[state.result] ?? 'failed',
      },
    };
  },
});
