import { expect, it } from 'vitest';
import { checkFirmware } from './image.ts';

const image = (size: number, last = 0xea) => {
  const bytes = new Uint8Array(size);
  bytes[size - 16] = last;
  return bytes;
};

it('takes what looks like firmware', () => {
  expect(() => checkFirmware('bios-256k.bin', image(0x40000))).not.toThrow();
});

it.each([
  ['too large', 'x.fd', image(0x800000 + 0x1000), 'is larger than firmware can be'],
  ['too small', 'x.fd', image(0x1000), 'has no size of a firmware image'],
  ['not whole pages', 'x.fd', image(0x40001), 'has no size of a firmware image'],
  ['empty of code', 'OVMF_VARS.fd', image(0x20000, 0), 'has nothing at the reset vector'],
  ['for system management mode', 'OVMF_CODE_4M.secboot.fd', image(0x40000), 'needs system management mode'],
])('refuses what is %s', (_what, file, bytes, reason) => {
  expect(() => checkFirmware(file, bytes)).toThrow(reason);
});
