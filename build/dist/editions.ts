/** The editions, each built from the application in the same folder. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { makeDebianPackage } from './debian.ts';
import { makeExecutable } from './executable.ts';
import { makeNpmPackage } from './npm-package.ts';

export interface Making {
  /** Folder with `application/`; what is made is put beside that. */
  readonly folder: string;
  readonly time: Date;
}

/** Makes the edition. Returns the paths of what was made. Throws Error with what a tool said. */
type Maker = (making: Making) => Promise<readonly string[]>;

async function executable({ folder }: Making): Promise<readonly string[]> {
  const path = join(folder, 'rootmode');
  await makeExecutable(join(folder, 'application'), path);
  return [path];
}

export const editions: Readonly<Record<string, Maker>> = {
  executable,
  deb: async (making) => {
    const path = join(making.folder, 'rootmode');
    if (!existsSync(path)) await executable(making);
    const parts = { application: join(making.folder, 'application'), executable: path, time: making.time };
    return [await makeDebianPackage(parts, making.folder)];
  },
  npm: async ({ folder }) => [await makeNpmPackage(join(folder, 'application'), folder)],
};
