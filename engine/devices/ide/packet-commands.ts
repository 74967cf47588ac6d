/** Packets of a CD or DVD reader: MMC-3 (INCITS 360) and SPC-2 for what is common. Numbers in packets have their upper byte first. */
import { INQUIRY_NAMES } from './identify.ts';
import { Key, MediaEvent, type PacketCore, Sense } from './packet-core.ts';

interface Entry {
  run(core: PacketCore, packet: Packet): void;
  readonly needsMedium?: boolean;
  /** Carried out although a unit attention waits (SPC-2, 5.6.5). */
  readonly despiteAttention?: boolean;
}

interface Packet {
  byte(at: number): number;
  be16(at: number): number;
  be32(at: number): number;
}

const be16 = (value: number) => [(value >>> 8) & 0xff, value & 0xff];
const be32 = (value: number) => [...be16(value >>> 16), ...be16(value)];
const bytes = (...parts: (number | readonly number[])[]) => Uint8Array.from(parts.flat());

/** Frames between the start of the disc and its first block: two seconds. */
const LEAD_IN = 150;
/** Above this many blocks it is a DVD. */
const CD_BLOCKS = 405_000;
const PROFILE = { none: 0x0000, cd: 0x0008, dvd: 0x0010 } as const;
/** 24 times the speed of a CD player, in kB/s. */
const SPEED = 4234;
/** Data track without copy permission; lead-out. */
const [DATA_TRACK, LEAD_OUT] = [0x14, 0xaa];

function minutes(block: number): number[] {
  const frame = block + LEAD_IN;
  return [0, Math.floor(frame / (75 * 60)) & 0xff, Math.floor(frame / 75) % 60, frame % 75];
}

function request(core: PacketCore, packet: Packet): void {
  const d = core.drive();
  const { state } = core;
  const waits = state.attention[d] as number;
  const key = waits ? Key.Attention : (state.senseKey[d] as number);
  const sense = waits || (state.sense[d] as number);
  state.attention[d] = 0;
  core.respond(bytes(0x70, 0, key, [0, 0, 0, 0], 10, [0, 0, 0, 0], be16(sense), [0, 0, 0, 0]), packet.byte(4));
}

function inquiry(core: PacketCore, packet: Packet): void {
  if (packet.byte(1) & 1 || packet.byte(2) !== 0) return core.check(Key.Illegal, Sense.Field);
  const names = [...INQUIRY_NAMES].map((letter) => letter.charCodeAt(0));
  core.respond(bytes(0x05, 0x80, 0x00, 0x21, 31, [0, 0, 0], names), packet.byte(4));
}

function startStop(core: PacketCore, packet: Packet): void {
  const { state } = core;
  const d = core.drive();
  const [start, tray] = [packet.byte(4) & 1, packet.byte(4) & 2];
  if (packet.byte(4) >>> 4 || !tray) return core.good();
  if (start) {
    state.trayOpen[d] = 0;
    return core.good();
  }
  if (state.trayLocked[d]) return core.check(Key.Illegal, Sense.RemovalPrevented);
  state.trayOpen[d] = 1;
  core.line()?.eject();
  core.good();
}

function preventRemoval(core: PacketCore, packet: Packet): void {
  core.state.trayLocked[core.drive()] = packet.byte(4) & 1;
  core.good();
}

function read(core: PacketCore, block: number, count: number): void {
  if (block + count > core.blocks() || count > 0xff_ffff / 4) return core.check(Key.Illegal, Sense.Range);
  core.readMedium(block, count);
}

/** READ CD: user data of mode 1 sectors, the only part that an image has. */
function readCd(core: PacketCore, packet: Packet): void {
  const parts = packet.byte(9) & 0xf8;
  if (parts === 0) return core.good();
  if (parts !== 0x10 || packet.byte(10) & 7) return core.check(Key.Illegal, Sense.Field);
  read(core, packet.be32(2), packet.be32(5) & 0xff_ffff);
}

function contents(core: PacketCore, packet: Packet): void {
  const limit = packet.be16(7);
  const msf = (packet.byte(1) & 2) !== 0;
  const format = packet.byte(2) & 0x0f || packet.byte(9) >>> 6;
  const first = packet.byte(6);
  const place = (block: number) => (msf ? minutes(block) : be32(block));
  const end = core.blocks();
  const respond = (body: Uint8Array) => core.respond(bytes(be16(body.length), [...body]), limit);
  if (format === 0) {
    if (first > 1 && first !== LEAD_OUT) return core.check(Key.Illegal, Sense.Field);
    const track = first <= 1 ? [0, DATA_TRACK, 1, 0, ...place(0)] : [];
    return respond(bytes(1, 1, track, [0, 0x16, LEAD_OUT, 0, ...place(end)]));
  }
  if (format === 1) return respond(bytes(1, 1, [0, DATA_TRACK, 1, 0, ...place(0)]));
  if (format !== 2) return core.check(Key.Illegal, Sense.Field);
  const row = (point: number, at: readonly number[]) => [1, DATA_TRACK, 0, point, 0, 0, 0, ...at];
  const ends = minutes(end);
  respond(bytes(1, 1, row(0xa0, [0, 1, 0, 0]), row(0xa1, [0, 1, 0, 0]), row(0xa2, ends), row(1, minutes(0))));
}

function configuration(core: PacketCore, packet: Packet): void {
  const wanted = packet.byte(1) & 3;
  const from = packet.be16(2);
  if (wanted === 3) return core.check(Key.Illegal, Sense.Field);
  const blocks = core.blocks();
  const profile = blocks === 0 ? PROFILE.none : blocks > CD_BLOCKS ? PROFILE.dvd : PROFILE.cd;
  const list = [PROFILE.dvd, PROFILE.cd].flatMap((one) => [...be16(one), one === profile ? 1 : 0, 0]);
  /** Number, version and flags (bit 0: current), content. */
  const features: readonly (readonly [number, number, readonly number[]])[] = [
    [0x0000, 0x03, list],
    [0x0001, 0x07, [...be32(2), 0, 0, 0, 0]], // core: ATAPI
    [0x0003, 0x03, [0x29, 0, 0, 0]], // removable: tray that locks and ejects
    [0x0010, blocks > 0 ? 0x01 : 0x00, [...be32(2048), ...be16(1), 0, 0]],
    [0x001e, profile === PROFILE.cd ? 0x09 : 0x08, [0, 0, 0, 0]],
    [0x001f, profile === PROFILE.dvd ? 0x01 : 0x00, []],
  ];
  const chosen = features.filter(([number, flags]) => {
    if (wanted === 2) return number === from;
    return number >= from && (wanted === 0 || (flags & 1) !== 0);
  });
  const body = chosen.flatMap(([number, flags, content]) => [...be16(number), flags, content.length, ...content]);
  core.respond(bytes(be32(body.length + 4), [0, 0], be16(profile), body), packet.be16(7));
}

function eventStatus(core: PacketCore, packet: Packet): void {
  const { state } = core;
  const d = core.drive();
  const media = 0x10;
  if (!(packet.byte(1) & 1)) return core.check(Key.Illegal, Sense.Field); // only polled
  if (!(packet.byte(4) & media)) return core.respond(bytes(0, 2, 0x80, media), packet.be16(7));
  const event = state.mediaEvent[d] as number;
  state.mediaEvent[d] = MediaEvent.None;
  const status = (state.trayOpen[d] ? 1 : 0) | (core.blocks() > 0 ? 2 : 0);
  core.respond(bytes(0, 6, 0x04, media, event, status, 0, 0), packet.be16(7));
}

function discInformation(core: PacketCore, packet: Packet): void {
  // One complete session with one track; everything else unknown.
  core.respond(bytes(be16(32), 0x0e, [1, 1, 1, 1], 0x20, new Array<number>(26).fill(0)), packet.be16(7));
}

function modeSense(core: PacketCore, packet: Packet): void {
  const page = packet.byte(2) & 0x3f;
  const control = packet.byte(2) >>> 6;
  if (control === 3) return core.check(Key.Illegal, Sense.Saving);
  const locked = core.state.trayLocked[core.drive()] ? 2 : 0;
  const pages: readonly (readonly [number, readonly number[]])[] = [
    [0x01, [0x00, 0x05, 0, 0, 0, 0]],
    [0x2a, [0x3b, 0, 0x70, 0, 0x29 | locked, 0, ...be16(SPEED), ...be16(2), ...be16(512), ...be16(SPEED), 0, 0, 0, 0]],
  ];
  const chosen = pages.filter(([number]) => page === 0x3f || page === number);
  if (chosen.length === 0) return core.check(Key.Illegal, Sense.Field);
  // Nothing of them can be changed.
  const body = chosen.flatMap(([number, content]) => [number, content.length, ...content.map((b) => (control === 1 ? 0 : b))]);
  const type = core.blocks() > 0 ? 0x01 : 0x70;
  core.respond(bytes(be16(body.length + 6), type, [0, 0, 0, 0, 0], body), packet.be16(7));
}

const good = (core: PacketCore) => core.good();

/** What the drive carries out; anything else is an illegal operation code. */
export const TABLE: ReadonlyMap<number, Entry> = new Map<number, Entry>([
  [0x00, { run: good, needsMedium: true }],
  [0x03, { run: request, despiteAttention: true }],
  [0x12, { run: inquiry, despiteAttention: true }],
  [0x1b, { run: startStop }],
  [0x1e, { run: preventRemoval }],
  [0x25, { run: (core) => core.respond(bytes(be32(core.blocks() - 1), be32(2048)), 8), needsMedium: true }],
  [0x28, { run: (core, packet) => read(core, packet.be32(2), packet.be16(7)), needsMedium: true }],
  [0xa8, { run: (core, packet) => read(core, packet.be32(2), packet.be32(6)), needsMedium: true }],
  [
    0x2b,
    {
      run: (core, packet) => (packet.be32(2) < core.blocks() ? core.good() : core.check(Key.Illegal, Sense.Range)),
      needsMedium: true,
    },
  ],
  [0x35, { run: good, needsMedium: true }],
  [0x43, { run: contents, needsMedium: true }],
  [0x46, { run: configuration, despiteAttention: true }],
  [0x4a, { run: eventStatus, despiteAttention: true }],
  [0x51, { run: discInformation, needsMedium: true }],
  [0x5a, { run: modeSense }],
  [0xbb, { run: good }],
  [0xbd, { run: (core, packet) => core.respond(bytes(new Array<number>(8).fill(0)), packet.be16(8)) }],
  [0xbe, { run: readCd, needsMedium: true }],
]);

export function executePacket(core: PacketCore, entry: Entry): void {
  const packet = core.packet();
  const byte = (at: number) => packet[at] ?? 0;
  const word = (at: number) => byte(at) * 256 + byte(at + 1);
  entry.run(core, { byte, be16: word, be32: (at) => word(at) * 65536 + word(at + 2) });
}
