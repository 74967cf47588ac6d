/**
 * Drives as INT 13h and booting see them. The board implements this over the same back ends that its IDE, ATAPI and floppy devices use,
 * so that a guest that writes through the BIOS and then through its own driver sees one disk.
 *
 * A drive carries out one request at a time. The request in flight is state of the implementation: saved, and issued again after a
 * restore. Everything here runs under the machine lock, on any thread, and never waits; the ROM polls.
 */

/** A medium in a drive, as it is now. */
export interface BiosMedium {
  /** 512 for disks and floppies, 2048 for CDs. */
  readonly sectorBytes: 512 | 2048;
  /** How many sectors; less than 2^48. */
  readonly sectors: number;
  readonly readonly: boolean;
  /** The drive's own geometry: what IDENTIFY DEVICE says, or the format of a floppy. */
  readonly geometry?: { readonly cylinders: number; readonly heads: number; readonly sectors: number };
}

/** Where a drive is attached, for EDD's device path and for names on the screen. */
export type BiosDiskPlace =
  | { readonly bus: 'floppy'; readonly unit: 0 | 1 }
  /** `commandPort` and `controlPort` as the guest reaches them now; `irq` is the ISA line. */
  | {
      readonly bus: 'ide';
      readonly channel: 0 | 1;
      readonly unit: 0 | 1;
      readonly commandPort: number;
      readonly controlPort: number;
      readonly irq: number;
      /** PCI place of the controller: slot * 8 + function on bus 0. */
      readonly devfn: number;
    };

export interface BiosDiskRequest {
  readonly kind: 'read' | 'write' | 'verify' | 'flush';
  /** In the medium's own sectors; 0 for a flush. */
  readonly sector: number;
  /** 1 to 128 sectors of 512 bytes, 1 to 32 of 2048; 0 for a flush. */
  readonly count: number;
  /** Guest-physical address of the buffer, which is contiguous and may be anything a guest can name; not used by verify and flush. */
  readonly gpa: number;
}

/** What became of the request. `range`: beyond the last sector. `medium`: a sector that the host cannot give or take. */
export type BiosDiskResult = 'busy' | 'done' | 'no-medium' | 'range' | 'read-only' | 'medium' | 'failed';

export interface BiosDrive {
  readonly kind: 'floppy' | 'disk' | 'cdrom';
  readonly place: BiosDiskPlace;
  /** What a person calls it: at most 40 printable ASCII characters, such as the image file's name. */
  readonly title: string;
  /** Undefined while the drive is empty. */
  medium(): BiosMedium | undefined;
  /** Counts media put in and taken out (16 bits, wrapping): the change line. */
  mediumChanges(): number;
  /** Begin a request; a request under way is abandoned by the caller, and its effects may or may not happen before this one's. */
  start(request: BiosDiskRequest): void;
  /** The result of the last request; `done` when there was none. */
  poll(): BiosDiskResult;
  /** CD drives: open or close the tray. Returns whether the drive did. */
  eject?(open: boolean): boolean;
  /** CD drives: lock or unlock the tray, as INT 13h function 45h asks. */
  lock?(locked: boolean): void;
  readonly locked?: boolean;
}
