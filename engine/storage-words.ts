/** The verbs of the command line for the drives of a running machine. */
import { resolve } from 'node:path';
import type { Command } from 'commander';

export const storageVerbs = ['media', 'cont'] as const;

export function describeStorage(program: Command, finish: (status: number) => void): void {
  program
    .command('media')
    .description('put an image into a CD or floppy drive of a running machine, or take it out')
    .argument('<name>', 'name of the machine')
    .argument('<drive>', 'cdrom, cdrom1, floppy or floppy1')
    .argument('<image>', 'the image file, or `eject`')
    .option('--readonly', 'a floppy that cannot be written')
    .option('--force', 'although the guest has locked the tray')
    .action(async (name: string, drive: string, image: string, options: { readonly?: boolean; force?: boolean }) => {
      const { withMachine } = await import('./screen-verbs.ts');
      const medium = image === 'eject' ? {} : { file: resolve(image) };
      await withMachine(name, (engine) => engine.machineMedium({ drive, ...medium, ...options }));
      finish(0);
    });
  program
    .command('cont')
    .description('go on after a pause, such as the one of a full host disk')
    .argument('<name>', 'name of the machine')
    .action(async (name: string) => {
      const { withMachine } = await import('./screen-verbs.ts');
      await withMachine(name, (engine) => engine.machineCont({}));
      finish(0);
    });
}
