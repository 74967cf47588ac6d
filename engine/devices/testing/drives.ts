/** A drive for contract tests, which knows no memory: done at once, reads are a pattern of the address, writes are forgotten. */
import type { DriveLine } from '../drive.ts';

export function patternDrive(kind: DriveLine['kind'], bytes: number, { readonly = false } = {}): DriveLine {
  let listener: Parameters<DriveLine['onDone']>[0] = () => undefined;
  let present = true;
  return {
    kind,
    serial: 'PATTERN',
    medium: () => ({ present, bytes, readonly }),
    changes: () => (present ? 1 : 2),
    submit: ({ op, offset, buffers }) => {
      if (op === 'read' && buffers instanceof Uint8Array) {
        for (let i = 0; i < buffers.length; i++) buffers[i] = (offset + i) * 31;
      }
      listener(present ? 'done' : 'no-medium');
    },
    cancel: () => undefined,
    onDone: (then) => {
      listener = then;
    },
    eject: () => {
      present = false;
    },
  };
}
