/** The commands about files and images, carried out. */
import { rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { EngineError } from '../contract/errors.ts';
import {
  hostFile,
  hostFolder,
  type Image,
  imageConvert,
  imageCreate,
  imageDiscard,
  imageDownload,
  imageList,
  imageRemove,
  imageUpload,
  imageUploadCancel,
  imageUploadPiece,
} from '../contract/image-commands.ts';
import { type JobKind, jobCancel, jobList } from '../contract/job-commands.ts';
import { type Served, serve } from '../contract/serve.ts';
import { mapPaths } from '../contract/setting-paths.ts';
import { Downloads } from './downloads.ts';
import { lookAtFile } from './file-kind.ts';
import { listFolder } from './host-folder.ts';
import { runImageTool, type StartTool } from './image-tool.ts';
import { Images } from './images.ts';
import type { Jobs } from './jobs.ts';
import type { Library } from './library.ts';

export interface ImageParts {
  readonly jobs: Jobs;
  /** Absent: nothing can be done to the inside of images. */
  readonly tool?: StartTool | undefined;
}

/** Images stand beside the folder of machines. */
export function serveImages(library: Library, { jobs, tool }: ImageParts): readonly Served<undefined>[] {
  const images = new Images(join(dirname(library.root), 'images'));
  const downloads = new Downloads(images, jobs);

  /** Machines by the images that their settings name. */
  function users(): Map<string, { name: string; runs: boolean }[]> {
    const found = new Map<string, { name: string; runs: boolean }[]>();
    for (const entry of library.list()) {
      if ('problem' in entry) continue;
      const { name, folder, pid, file } = entry;
      mapPaths(file.settings, (path) => {
        const at = resolve(folder, path);
        const known = found.get(at) ?? [];
        if (dirname(at) === images.folder && !known.some((user) => user.name === name)) {
          found.set(at, [...known, { name, runs: pid !== undefined }]);
        }
        return path;
      });
    }
    return found;
  }

  const whole = (name: string): Image => ({
    ...images.look(name),
    usedBy: (users().get(images.path(name)) ?? []).map((user) => user.name),
  });

  /** `rootmode image` makes a file beside the others, which takes its name when it is whole. */
  async function make(kind: JobKind, name: string, words: (target: string) => readonly string[]): Promise<Image> {
    if (tool === undefined) throw new EngineError('image-work', { name, reason: 'this program cannot do that.' });
    if (images.has(name) || jobs.makesImage(name)) throw new EngineError('image-exists', { name });
    const target = images.makingPath(name);
    const { end } = jobs.begin(
      { kind, title: name },
      async (work) => {
        try {
          await runImageTool(tool, { name, words: words(target) }, work);
          images.put(name, target);
        } finally {
          rmSync(target, { force: true });
        }
      },
      () => ({ path: images.path(name) }),
    );
    await end;
    return whole(name);
  }

  return [
    serve(hostFolder, ({ path }) => listFolder(path)),
    serve(hostFile, ({ path }) => lookAtFile(path)),
    serve(imageList, () => {
      const by = users();
      const usedBy = (path: string): string[] => (by.get(path) ?? []).map(({ name }) => name);
      return {
        folder: images.folder,
        images: images.list().map((image) => ({ ...image, usedBy: usedBy(image.path) })),
        unfinished: downloads.unfinished(),
      };
    }),
    serve(imageRemove, ({ name }) => {
      const running = (users().get(images.path(name)) ?? []).filter(({ runs }) => runs);
      if (running.length > 0) throw new EngineError('image-in-use', { name, machines: running.map((user) => user.name) });
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
    serve(imageDiscard, ({ name }) => {
      downloads.discard(name);
      return {};
    }),
    serve(imageCreate, ({ name, format, bytes, preallocate }) =>
      make('image-create', name, (target) => [
        ...['create', target, String(bytes), '--format', format],
        ...(preallocate ? ['--preallocation', 'full'] : []),
      ]),
    ),
    serve(imageConvert, ({ from, name, format, compress }) =>
      make('image-convert', name, (target) => [
        ...['convert', resolve(from), target, '--format', format],
        ...(compress && format === 'qcow2' ? ['--compress'] : []),
      ]),
    ),
    serve(jobList, () => ({ jobs: jobs.list() })),
    serve(jobCancel, ({ job }) => {
      jobs.cancel(job);
      return {};
    }),
  ];
}
