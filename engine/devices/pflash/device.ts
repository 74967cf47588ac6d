/**
 * Flash for the variables of firmware. As long as it reads as memory, the processor sees it as ROM; a write is a command and comes here,
 * and what is not the array is read here. What changes goes to the drive behind it, from where the machine's next start takes it.
 *
 * Threats: the guest chooses commands, offsets and data; all stay inside the chip, whose size the person's file gives.
 * The drive's host may be full or fail: the chip keeps what it holds, and writes it again with the next change.
 * A restored mode outside the list is refused, and restored ranges are cut to the chip.
 */
import { bool, u8, u32 } from '../../state/index.ts';
import { defineDevice } from '../device.ts';
import { driveLines } from '../drive.ts';
import { definePort } from '../ports.ts';
import { BLOCK, Command, ERASED, IDENTIFIER, Status, WINDOW } from './spec.ts';

/** The cells, in the machine's memory. */
export interface FlashCells {
  /** All of them; none where the machine has no such chip. */
  bytes(): Uint8Array;
  /** Whether they were changed in an earlier run of this machine, and their file may not have it all. */
  used(): boolean;
  /** Where in the window they begin. */
  start(): number;
  /** Whether the processor reads them as memory. */
  show(array: boolean): void;
}

const flashCells = definePort<FlashCells>('flash-cells', () => ({
  bytes: () => new Uint8Array(0),
  used: () => false,
  start: () => 0,
  show: () => undefined,
}));

const Mode = { Array: 0, Status: 1, Identifier: 2, Program: 3, Erase: 4 } as const;
const SECTOR = 512;

export const pflash = defineDevice({
  type: 'pflash',
  mmio: { window: WINDOW },
  widest: 1,
  needs: { cells: flashCells, lines: driveLines },
  state: {
    mode: u8({
      id: 1,
      range: [0, 4],
      doc: 'What is read: 0 array, 1 status, 2 identifier; 3 and 4: a byte to program, an erase to confirm',
    }),
    status: u8({ id: 2, mask: 0xb0, doc: 'Status register' }),
    from: u32({ id: 3, range: [0, WINDOW], doc: 'Cells changed and not yet on the drive: first' }),
    to: u32({ id: 4, range: [0, WINDOW], doc: 'Cells changed and not yet on the drive: end; not above the first: none' }),
    writing: bool({ id: 5, doc: 'A write to the drive is under way' }),
    writingFrom: u32({ id: 6, range: [0, WINDOW], doc: 'First cell of that write' }),
    writingTo: u32({ id: 7, range: [0, WINDOW], doc: 'End of that write' }),
  },
  create({ state, cells, lines }) {
    const [line] = lines;
    const changed = (from: number, to: number): void => {
      const none = state.to <= state.from;
      state.from = none ? from : Math.min(state.from, from);
      state.to = none ? to : Math.max(state.to, to);
    };
    /** One write at a time; what changes meanwhile is the next one. */
    const store = (): void => {
      const bytes = cells.bytes();
      const [from, to] = [
        Math.floor(state.from / SECTOR) * SECTOR,
        Math.min(bytes.length, Math.ceil(state.to / SECTOR) * SECTOR),
      ];
      if (line === undefined || state.writing || to <= from) return;
      [state.writing, state.writingFrom, state.writingTo] = [true, from, to];
      [state.from, state.to] = [0, 0];
      line.submit({ op: 'write', offset: from, bytes: to - from, buffers: bytes.subarray(from, to), durable: true });
    };
    line?.onDone((result) => {
      if (!state.writing) return;
      state.writing = false;
      if (result === 'done') store();
      // Once more with the next change, not at once and for ever.
      else changed(state.writingFrom, state.writingTo);
    });
    const enter = (mode: number): void => {
      if ((mode === Mode.Array) !== (state.mode === Mode.Array)) cells.show(mode === Mode.Array);
      state.mode = mode;
    };
    const command = (value: number): void => {
      switch (value) {
        case Command.Program:
        case Command.ProgramToo:
          return enter(Mode.Program);
        case Command.Erase:
          return enter(Mode.Erase);
        case Command.ClearStatus:
          state.status = 0;
          return enter(Mode.Array);
        case Command.ReadStatus:
          return enter(Mode.Status);
        case Command.ReadIdentifier:
          return enter(Mode.Identifier);
        case Command.ReadArray:
          return enter(Mode.Array);
        default: // not a command of this chip: nothing happens
      }
    };
    const erase = (at: number): void => {
      const first = Math.floor(at / BLOCK) * BLOCK;
      const bytes = cells.bytes().subarray(first, first + BLOCK);
      bytes.fill(ERASED);
      changed(first, first + bytes.length);
      store();
    };
    return {
      read: (offset) => {
        const bytes = cells.bytes();
        const at = offset - cells.start();
        if (at < 0 || at >= bytes.length) return ERASED;
        if (state.mode === Mode.Array) return bytes[at] as number;
        if (state.mode === Mode.Identifier) return IDENTIFIER[at % BLOCK] ?? 0;
        return state.status;
      },
      write: (offset, value) => {
        const bytes = cells.bytes();
        const at = offset - cells.start();
        if (at < 0 || at >= bytes.length) return;
        if (state.mode === Mode.Program) {
          // Programming makes zeros; only erasing makes ones.
          bytes[at] = (bytes[at] as number) & value;
          changed(at, at + 1);
          store();
          state.status = state.status | Status.Ready;
          enter(Mode.Status);
        } else if (state.mode === Mode.Erase) {
          if ((value & 0xff) === Command.EraseConfirm) erase(at);
          else state.status = state.status | Status.EraseError | Status.ProgramError;
          state.status = state.status | Status.Ready;
          enter(Mode.Status);
        } else command(value & 0xff);
      },
      reset: () => {
        if (!cells.used()) return;
        line?.cancel();
        changed(0, cells.bytes().length);
        store();
      },
      restored: () => {
        cells.show(state.mode === Mode.Array);
        if (!state.writing) return;
        line?.cancel();
        state.writing = false;
        changed(state.writingFrom, state.writingTo);
        store();
      },
    };
  },
});
