/** The words of `rootmode image`; carried out in image-verbs.ts, which is loaded when one of them is asked for. */
import { Command } from 'commander';
import { EngineError } from './contract/errors.ts';
import type { FormatWords, Outcome, SnapshotWords } from './image-verbs.ts';

type Verbs = typeof import('./image-verbs.ts');

export interface ImageWordsParts {
  finish(status: number): void;
  write(text: string): Promise<unknown>;
}

/** `rootmode image VERB`. */
export function describeImage(program: Command, { finish, write }: ImageWordsParts): void {
  const image = program.command('image').description('make, look at, check and change disk images');
  const carryOut = async (act: (verbs: Verbs) => Outcome | Promise<Outcome>): Promise<void> => {
    const { text, status } = await withoutMachine(async () => act(await import('./image-verbs.ts')));
    await write(text);
    finish(status);
  };
  const made = (command: Command): Command =>
    command
      .option('--format <format>', 'qcow2 or raw', 'qcow2')
      .option('--format-version <number>', 'version of qcow2: 3 or 2', '3')
      .option('--cluster-size <size>', 'clusters of qcow2: 512 to 2M, a power of two', '64K')
      .option('--compression <method>', 'of qcow2: zlib or zstd', 'zlib')
      .option('--progress <form>', 'how far it is, on standard error: a bar, or json for programs', 'bar')
      .option('--lazy-refcounts', 'qcow2 counts references at the end; faster, slower after a crash');
  const verb = (name: string, description: string): Command => {
    const command = new Command(name).description(description).exitOverride().helpOption('-h, --help', 'show this help');
    command.configureOutput({ writeErr: () => undefined, outputError: () => undefined });
    image.addCommand(command);
    return command;
  };

  made(verb('create', 'make an image; its size is that of the backing file when none is said'))
    .argument('<file>', 'the image')
    .argument('[size]', 'size of the disk, such as 20G')
    .option('--backing <file>', 'backing file, as the image is to name it: a relative name starts at the folder of the image')
    .option('--backing-format <format>', 'its format: qcow2 or raw')
    .option('--preallocation <how>', 'off, or full: take all of its room now', 'off')
    .action((file: string, size: string | undefined, words: FormatWords) => carryOut((verbs) => verbs.create(file, size, words)));
  verb('info', 'show what an image is')
    .argument('<file>', 'the image')
    .option('--json', 'as JSON')
    .action((file: string, words: { json?: boolean }) => carryOut((verbs) => verbs.info(file, words)));
  verb('check', 'look for errors (exit status 1) and leaks (exit status 3) in a qcow2 image that is not in use')
    .argument('<file>', 'the image')
    .option('--repair <what>', 'leaks or all')
    .action((file: string, words: { repair?: string }) => carryOut((verbs) => verbs.check(file, words)));
  made(verb('convert', 'copy a disk into a new image'))
    .argument('<source>', 'the image to read')
    .argument('<target>', 'the image to make; an existing file is replaced')
    .option('--source-format <format>', 'format of the source: qcow2 or raw; found out when not said')
    .option('--compress', 'compress clusters of qcow2')
    .action((source: string, target: string, words: FormatWords) => carryOut((verbs) => verbs.convert(source, target, words)));
  verb('resize', 'make the disk of an image larger or smaller')
    .argument('<file>', 'the image')
    .argument('<size>', 'new size, such as 20G or +5G')
    .option('--shrink', 'smaller is meant, and what lies behind may be lost')
    .option('--format <format>', 'qcow2 or raw; found out when not said')
    .action((file: string, size: string, words: { shrink?: boolean; format?: string }) =>
      carryOut((verbs) => verbs.resize(file, size, words)),
    );
  verb('snapshot', 'show, make, go back to or delete snapshots inside a qcow2 image')
    .argument('<file>', 'the image')
    .option('--list', 'show them')
    .option('--create <name>', 'make one of the disk as it is')
    .option('--apply <name>', 'the disk becomes what it was')
    .option('--delete <name>', 'give it up')
    .action((file: string, words: SnapshotWords) => carryOut((verbs) => verbs.snapshot(file, words)));
  verb('rebase', 'put a qcow2 image onto another backing file, with the same content')
    .argument('<file>', 'the image')
    .requiredOption('--backing <file>', 'the new backing file as the image is to name it; empty for none')
    .option('--backing-format <format>', 'its format: qcow2 or raw')
    .option('--unsafe', 'only change the name: the content is the same, or is to be another')
    .action((file: string, words: { backing: string; backingFormat?: string; unsafe?: boolean }) =>
      carryOut((verbs) => verbs.rebase(file, words)),
    );
  verb('commit', 'write what an image has of its own into its backing file')
    .argument('<file>', 'the image')
    .action((file: string) => carryOut((verbs) => verbs.commit(file)));
}

/** A full disk makes a machine wait; a command ends. */
async function withoutMachine<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (failure) {
    if (!(failure instanceof EngineError) || failure.code !== 'disk-full') throw failure;
    const path = String((failure.data as { path?: unknown }).path);
    throw new EngineError('file-unwritable', { what: 'image', path, reason: 'there is no room left on the disk' });
  }
}
