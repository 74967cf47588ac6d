/** A CD that boots, for tests. */

/** A CD with a boot catalog whose entry has this media type; its image's second sector of 512 bytes holds `mark`. */
export function bootCd(media: number, mark: number): Uint8Array {
  const bytes = new Uint8Array(64 * 2048);
  const text = (at: number, value: string) => bytes.set(Buffer.from(value, 'latin1'), at);
  text(17 * 2048 + 1, 'CD001\u0001EL TORITO SPECIFICATION');
  bytes[17 * 2048 + 0x47] = 18;
  const catalog = new DataView(bytes.buffer, 18 * 2048, 64);
  catalog.setUint8(0, 1);
  catalog.setUint16(30, 0xaa55, true);
  catalog.setUint16(28, 0x10000 - 0xaa55 - 1, true);
  catalog.setUint8(32, 0x88);
  catalog.setUint8(33, media);
  catalog.setUint16(38, media === 0 ? 4 : 1, true);
  catalog.setUint32(40, 20, true);
  const image = 20 * 2048;
  // Read sector 2 of track 0 to 8000h and say its first byte; without emulation the image is all there: its second sector is at 7E00h.
  const read = [0xb8, 0x01, 0x02, 0xb9, 0x02, 0x00, 0xb6, 0x00, 0xbb, 0x00, 0x80, 0xcd, 0x13, 0xa0, 0x00, 0x80];
  bytes.set([...(media === 0 ? [0xa0, 0x00, 0x7e] : read), 0xe6, 0xf4, 0xf4], image);
  if (media === 4) bytes.set([0x80, 0, 1, 0, 6, 1, 8, 3], image + 446);
  bytes.set([0x55, 0xaa], image + 510);
  bytes[image + 512] = mark;
  return bytes;
}
