/** A drive whose medium is a byte array of the test. Requests end at the poll after `delay` busy ones. */
import type { BiosDiskRequest, BiosDiskResult, BiosDrive, BiosMedium } from '../disk.ts';

export interface MemoryDriveOptions {
  readonly kind: BiosDrive['kind'];
  readonly bytes?: Uint8Array;
  readonly readonly?: boolean;
  readonly geometry?: BiosMedium['geometry'];
  readonly title?: string;
  readonly unit?: 0 | 1;
  /** Polls that answer `busy` before a request is done; 0 when absent. */
  readonly delay?: number;
  /** Sectors that the host cannot read or write. */
  readonly bad?: ReadonlySet<number>;
  readonly memory: { read(gpa: number, length: number): Uint8Array; write(gpa: number, bytes: Uint8Array): void };
}

export interface MemoryDrive extends BiosDrive {
  readonly requests: readonly BiosDiskRequest[];
  insert(bytes: Uint8Array | undefined): void;
}

const IDE = { bus: 'ide', channel: 0, unit: 0, commandPort: 0x1f0, controlPort: 0x3f4, irq: 14, devfn: 9 } as const;

export function memoryDrive(options: MemoryDriveOptions): MemoryDrive {
  const { kind, memory, title = kind, unit = 0, delay = 0, bad = new Set<number>() } = options;
  const sectorBytes = kind === 'cdrom' ? 2048 : 512;
  const requests: BiosDiskRequest[] = [];
  let content = options.bytes;
  let changes = 0;
  let polls = 0;
  let result: BiosDiskResult = 'done';
  let locked = false;

  const perform = (request: BiosDiskRequest): BiosDiskResult => {
    if (content === undefined) return 'no-medium';
    if (request.kind === 'flush') return 'done';
    const first = request.sector * sectorBytes;
    const length = request.count * sectorBytes;
    if (first + length > content.length) return 'range';
    for (let i = 0; i < request.count; i++) if (bad.has(request.sector + i)) return 'medium';
    if (request.kind === 'read') memory.write(request.gpa, content.subarray(first, first + length));
    if (request.kind === 'write' && options.readonly) return 'read-only';
    if (request.kind === 'write') content.set(memory.read(request.gpa, length), first);
    return 'done';
  };
  return {
    kind,
    title,
    place: kind === 'floppy' ? { bus: 'floppy', unit } : { ...IDE, unit },
    requests,
    medium: () =>
      content && {
        sectorBytes,
        sectors: Math.floor(content.length / sectorBytes),
        readonly: options.readonly ?? kind === 'cdrom',
        ...(options.geometry && { geometry: options.geometry }),
      },
    mediumChanges: () => changes,
    start: (request) => {
      requests.push(request);
      polls = delay;
      result = perform(request);
    },
    poll: () => (polls-- > 0 ? 'busy' : result),
    insert: (bytes) => {
      content = bytes;
      changes++;
    },
    eject: (open) => {
      if (open && locked) return false;
      if (open) content = undefined;
      changes++;
      return true;
    },
    lock: (to) => {
      locked = to;
    },
    get locked() {
      return locked;
    },
  };
}
