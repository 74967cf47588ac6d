/** Media of drives: the host's files behind the image formats. Composition: formats know no files, files know no formats. */
import { openRaw } from './block/raw.ts';
import { openImageFile } from './host/image-file.ts';
import type { IoHost } from './machine/ports.ts';

/** Open what a drive is to hold. */
export const openMedium: IoHost['openImage'] = ({ file, format, readonly }) => {
  const storage = openImageFile(file, readonly ? 'read' : 'write');
  return openRaw(storage, { readonly, guessed: format === 'auto' });
};
