/** The commands about files and images, carried out. */
import { dirname, join } from 'node:path';
import {
  hostFile,
  hostFolder,
  imageDownload,
  imageList,
  imageRemove,
  imageUpload,
  imageUploadCancel,
  imageUploadPiece,
  jobCancel,
  jobList,
} from '../contract/image-commands.ts';
import { type Served, serve } from '../contract/serve.ts';
import { Downloads } from './downloads.ts';
import { lookAtFile } from './file-kind.ts';
import { listFolder } from './host-folder.ts';
import { Images } from './images.ts';

/** Images stand beside the folder of machines. */
export function serveImages(libraryRoot: string): readonly Served<undefined>[] {
  const images = new Images(join(dirname(libraryRoot), 'images'));
  const downloads = new Downloads(images);
  return [
    serve(hostFolder, ({ path }) => listFolder(path)),
    serve(hostFile, ({ path }) => lookAtFile(path)),
    serve(imageList, () => ({ folder: images.folder, images: images.list() })),
    serve(imageRemove, ({ name }) => {
      images.remove(name);
      return {};
    }),
    serve(imageUpload, ({ name, bytes }) => ({ upload: images.begin(name, bytes) })),
    serve(imageUploadPiece, ({ upload, bytes }) => images.piece(upload, Buffer.from(bytes, 'base64'))),
    serve(imageUploadCancel, ({ upload }) => {
      images.cancel(upload);
      return {};
    }),
    serve(imageDownload, (wanted) => ({ job: downloads.start(wanted) })),
    serve(jobList, () => ({ jobs: downloads.list() })),
    serve(jobCancel, ({ job }) => {
      downloads.cancel(job);
      return {};
    }),
  ];
}
