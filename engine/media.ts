/** Images of the host: its files behind the image formats. Composition: formats know no files, files know no formats. */
import { realpathSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { type ImageHost, openImage } from './block/chain.ts';
import type { DiskImage } from './block/image.ts';
import { imageCodec } from './host/codec.ts';
import { openImageFile } from './host/image-file.ts';
import type { IoHost } from './machine/ports.ts';

/** `owner` is told to those who find an image in use. */
export function imageHost(_owner: string): ImageHost {
  return {
    open: (path, how) => openImageFile(path, how),
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
export const openMedium: IoHost['openImage'] = ({ file, format, readonly }, owner): DiskImage =>
  openImage(imageHost(owner), file, { format, readonly });
