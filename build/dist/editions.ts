/** The editions, each built from the application in the same folder. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { makeDebianPackage } from './debian.ts';
import { makeExecutable } from './executable.ts';
import type { Made, Making } from './making.ts';
import { makeNpmPackage } from './npm-package.ts';

/** Makes the edition. Throws Error with what a tool said. */
type Maker = (making: Making) => Promise<Made>;

async function executable({ folder }: Making): Promise<Made> {
  const path = join(folder, 'rootmode');
  await makeExecutable(join(folder, 'application'), path);
  return { made: [path] };
}

export const editions: Readonly<Record<string, Maker>> = {
  executable,
  deb: async (making) => {
    const path = join(making.folder, 'rootmode');
    if (!existsSync(path)) await executable(making);
    const parts = { application: join(making.folder, 'application'), executable: path, time: making.time };
    return { made: [await makeDebianPackage(parts, making.folder)] };
  },
  npm: async ({ folder }) => ({ made: [await makeNpmPackage(join(folder, 'application'), folder)] }),
  // Loaded when it is wanted: electron-builder is large.
  desktop: async (making) => (await import('./desktop.ts')).makeDesktop(making),
};
