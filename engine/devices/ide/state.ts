/** State of the PIIX3's IDE function: registers of its bus masters, of two channels and of four drives. */
import { array, type Bound, bytes } from '../../state/index.ts';
import { configImage, type PciIdentity } from '../pci/config-space.ts';
import { BUFFER, MULTIPLE } from './spec.ts';

export const CHANNELS = 2;
const DRIVES = 4;
export const PACKET = 12;

export const IDENTITY: PciIdentity = {
  vendor: 0x8086,
  device: 0x7010,
  revision: 0x00,
  classCode: 0x010180,
  bars: [undefined, undefined, undefined, undefined, { kind: 'io', size: 16, region: 'busMaster' }],
  registers: [
    // IDETIM: both channels decoded.
    { at: 0x40, reset: [0x00, 0x80, 0x00, 0x80], writable: [0xff, 0xf3, 0xff, 0xf3] },
    { at: 0x44, reset: [0x00], writable: [0xff] },
  ],
};
/** Upper byte of each channel's timing register; bit 7 decodes its ports. */
export const TIMING = [0x41, 0x43] as const;
export const DECODED = 0x80;

/** What a channel is about. Between `request` phases and their end a drive works, and nothing of the channel changes. */
export const Phase = {
  Idle: 0,
  /** The drive fills the buffer. */
  Fetch: 1,
  /** The guest reads the buffer. */
  In: 2,
  /** The guest fills the buffer. */
  Out: 3,
  /** The drive takes the buffer. */
  Store: 4,
  /** The command is there; the bus master is not started. */
  DmaReady: 5,
  /** The drive moves sectors from or to guest memory. */
  Dma: 6,
  /** The drive does something without data. */
  NoData: 7,
  /** The guest writes a command packet. */
  Packet: 8,
  /** The drive forgets ranges, one after the other. */
  Trim: 9,
  /** The bus master's table ended before the transfer did: only a reset helps. */
  Stalled: 10,
} as const;

const perDrive = (id: number, doc: string, reset = 0) => array('u8', DRIVES, { id, doc, reset });
const perChannel = (id: number, doc: string, mask = 0xff) => array('u8', CHANNELS, { id, doc, mask });

export const fields = {
  config: bytes(256, { id: 1, reset: configImage(IDENTITY), doc: 'Configuration space' }),
  // Command block, one of each drive; the second entry of a pair is what was written before ("high order byte").
  features: perDrive(2, 'Features'),
  error: perDrive(4, 'Error'),
  count: perDrive(5, 'Sector count'),
  countHigh: perDrive(6, 'Sector count, high order byte'),
  low: perDrive(7, 'LBA low'),
  lowHigh: perDrive(8, 'LBA low, high order byte'),
  mid: perDrive(9, 'LBA mid'),
  midHigh: perDrive(10, 'LBA mid, high order byte'),
  high: perDrive(11, 'LBA high'),
  highHigh: perDrive(12, 'LBA high, high order byte'),
  status: perDrive(13, 'Status'),
  device: perChannel(14, 'Device and head'),
  control: perChannel(15, 'Device control'),
  interrupt: perChannel(16, 'INTRQ of the channel, before nIEN', 1),
  // The command under way.
  phase: array('u8', CHANNELS, { id: 17, range: [0, Phase.Stalled], doc: 'What the channel is about' }),
  command: perChannel(18, 'Command under way'),
  lba: array('u64', CHANNELS, { id: 19, mask: 0xffff_ffff_ffffn, doc: 'Next sector of the transfer' }),
  left: array('u32', CHANNELS, { id: 20, range: [0, 0xff_ffff], doc: 'Sectors of the transfer that are not done' }),
  buffer: bytes(CHANNELS * BUFFER, { id: 21, doc: 'Data between guest and drive', align: 8 }),
  filled: array('u32', CHANNELS, { id: 22, range: [0, BUFFER], doc: 'Bytes of the buffer that belong to the transfer' }),
  at: array('u32', CHANNELS, { id: 23, range: [0, BUFFER], doc: 'Where the guest is in the buffer' }),
  blockEnd: array('u32', CHANNELS, { id: 24, range: [0, BUFFER], doc: 'Where the DRQ block ends' }),
  // Settings of a drive.
  multiple: array('u8', DRIVES, { id: 25, range: [0, MULTIPLE], doc: 'Sectors of a block of READ MULTIPLE; 0: off' }),
  writeThrough: array('u8', DRIVES, { id: 26, mask: 1, doc: 'The write cache is switched off' }),
  dmaMode: perDrive(27, 'Transfer mode as SET FEATURES chose it'),
  heads: perDrive(28, 'Heads of the geometry the guest chose; 0: the default'),
  track: perDrive(29, 'Sectors of a track of the geometry the guest chose'),
  // Bus masters.
  bmCommand: perChannel(30, 'Bus master command', 0x09),
  bmStatus: perChannel(31, 'Bus master status', 0x67),
  bmTable: array('u32', CHANNELS, { id: 32, mask: 0xffff_fffc, doc: 'Table of region descriptors' }),
  bmMore: perChannel(33, 'Whether the table describes more than the transfer, or less', 3),
  // ATAPI.
  packet: bytes(CHANNELS * PACKET, { id: 34, doc: 'Command packet' }),
  limit: array('u16', CHANNELS, { id: 35, doc: 'Most bytes of a DRQ block of a packet command; 0: by DMA' }),
  senseKey: array('u8', DRIVES, { id: 36, mask: 0x0f, doc: 'Sense key of the last packet command' }),
  sense: array('u16', DRIVES, { id: 37, doc: 'Additional sense code and qualifier' }),
  attention: array('u16', DRIVES, { id: 38, doc: 'Unit attention that waits: code and qualifier' }),
  seenChanges: array('u32', DRIVES, { id: 39, doc: 'Medium changes that the drive has told of' }),
  mediaEvent: array('u8', DRIVES, { id: 40, mask: 0x0f, doc: 'Media event that waits for GET EVENT STATUS NOTIFICATION' }),
  trayOpen: array('u8', DRIVES, { id: 41, mask: 1, doc: 'The tray is open' }),
  trayLocked: array('u8', DRIVES, { id: 42, mask: 1, doc: 'The guest prevents removal' }),
} as const;

export type IdeState = Bound<typeof fields>;
