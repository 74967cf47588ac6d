/** `npm run pictures`, after `npm run test:e2e`: what the tests saw becomes the pictures of the README. */
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './run.ts';

/** Name in `.out/pictures` and in `assets/pictures`. */
const PICTURES = { 'library-live-light': 'library', 'screen-light': 'screen', 'stopped-light': 'inspector' } as const;

const to = join(root, 'assets/pictures');
mkdirSync(to, { recursive: true });
for (const [seen, name] of Object.entries(PICTURES)) {
  const from = join(root, '.out/pictures', `${seen}.png`);
  if (!existsSync(from)) {
    process.stderr.write(`There is no ${from}; npm run test:e2e makes it.\n`);
    process.exitCode = 1;
  } else copyFileSync(from, join(to, `${name}.png`));
}
