/** Firmware images of others: what cannot be started here is refused by its reason. */
import { EngineError } from '../base/errors.ts';

/** What the window below 4 GiB holds. */
export const MOST_FIRMWARE_BYTES = 8 * 2 ** 20;
const LEAST_BYTES = 0x4000;
const SEGMENT = 0x1000;
const VECTOR_BYTES = 16;
/** Builds that keep variables behind system management mode say so by their names (Debian's ovmf package). */
const NEEDS_SMM = /\.(secboot|ms|snakeoil)\.fd$/;

/** Throws `boot-file` for an image that has no size of a ROM, begins with nothing, or needs system management mode. */
export function checkFirmware(file: string, bytes: Uint8Array): void {
  const refuse = (defect: string, remedy: string): never => {
    throw new EngineError('boot-file', { file, defect, remedy });
  };
  if (bytes.length > MOST_FIRMWARE_BYTES) refuse('is larger than firmware can be', 'name an image of at most 8 MiB');
  if (bytes.length < LEAST_BYTES || bytes.length % SEGMENT !== 0)
    refuse('has no size of a firmware image', 'name an image that is whole pages of 4 KiB, as SeaBIOS and OVMF come');
  const vector = bytes.subarray(-VECTOR_BYTES);
  if (vector.every((byte) => byte === 0) || vector.every((byte) => byte === 0xff))
    refuse('has nothing at the reset vector, its last 16 bytes', 'name the code image, not the one of variables');
  if (NEEDS_SMM.test(file))
    refuse(
      'needs system management mode, which this PC does not have',
      'name the build without secure boot, such as OVMF_CODE_4M.fd',
    );
}

/** Throws `boot-file` for variables that are no pages or do not fit below the firmware. */
export function checkVariables(file: string, bytes: Uint8Array, firmwareBytes: number): void {
  const refuse = (defect: string): never => {
    throw new EngineError('boot-file', { file, defect, remedy: 'name a copy of the variables that came with the firmware' });
  };
  if (bytes.length === 0 || bytes.length % SEGMENT !== 0) refuse('has no size of a file of variables');
  if (bytes.length + firmwareBytes > MOST_FIRMWARE_BYTES) refuse('does not fit below 4 GiB together with the firmware');
}
