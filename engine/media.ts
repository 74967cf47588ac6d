/** Images of the host: its files behind the image formats. Composition: formats know no files, files know no formats. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { type ImageHost, openImage } from './block/chain.ts';
import type { DiskImage } from './block/image.ts';
import { createQcow2 } from './block/qcow2/create.ts';
import { Qcow2 } from './block/qcow2/image.ts';
import { imageCodec } from './host/codec.ts';
import { openImageFile } from './host/image-file.ts';
import type { IoHost } from './machine/ports.ts';

/** `owner` is told to those who find an image in use. */
export function imageHost(owner: string): ImageHost {
  return {
    open: (path, how) => openImageFile(path, how, owner),
    resolve: (from, name) => (isAbsolute(name) ? name : join(dirname(from), name)),
    identity: (path) => {
      try {
        return realpathSync(path);
      } catch {
        return path; // it does not exist, which opening it says better
      }
    },
    codec: imageCodec,
  };
}

/** Open what a drive is to hold. */
export const openMedium: IoHost['openImage'] = ({ file, format, readonly, snapshot }, owner): DiskImage => {
  const host = imageHost(`the machine ${owner}`);
  const image = openImage(host, file, { format, readonly: readonly || snapshot });
  if (!snapshot) return image;
  try {
    return discarded(image, host);
  } catch (failure) {
    image.close();
    throw failure;
  }
};

/** What is written goes into a file that has no name any more, and is gone when it is closed, whatever closes it. */
function discarded(image: DiskImage, host: ImageHost): DiskImage {
  const folder = mkdtempSync(join(tmpdir(), 'rootmode-'));
  try {
    const storage = openImageFile(join(folder, 'discarded'), 'create', 'this machine');
    createQcow2(storage, { size: image.bytes });
    return new Qcow2(storage, { codec: host.codec, backing: image });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
