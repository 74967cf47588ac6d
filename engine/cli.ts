/**
 * The command line. Composition root: it parses, checks, and hands over. Modules beyond option parsing are loaded by the command that
 * needs them, so that `rootmode --help` answers at once.
 */
import type { Writable } from 'node:stream';
import { Argument, Command, CommanderError, Option } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import { EngineError } from './base/errors.ts';
import type { MachineSettings } from './contract/settings.ts';
import { describeImage } from './image-words.ts';
import type { DownloadWords, ServeOptions } from './library-verbs.ts';
import { describeStorage, storageVerbs } from './storage-words.ts';
import { describeWatching, watchVerbs } from './watch-verbs.ts';

/** Exit status of every refusal: the command was not carried out, and nothing was left behind. */
const REFUSED = 2;

interface RunOptions {
  readonly kernel?: string;
  readonly firmware?: string;
  readonly firmwareVariables?: string;
  readonly boot?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly memory: string;
  readonly cpus: string;
  readonly cpu: string;
  readonly accel: string;
  readonly threads: string;
  readonly jit: string;
  readonly serial: string;
  readonly disk?: readonly string[];
  readonly cdrom?: readonly string[];
  readonly floppy?: readonly string[];
  readonly name?: string;
  readonly serial2?: string;
  readonly parallel?: string;
  readonly vga?: string;
  readonly keyboardLayout?: string;
  readonly rtc?: string;
  readonly screenshotAt?: readonly string[];
  readonly reboot: boolean;
  readonly hpet?: boolean;
  readonly debugExit?: boolean;
  readonly machine?: string;
}

/** Carry out one command line (without the program's name). Returns the exit status; never rejects. */
export async function main(words: readonly string[]): Promise<number> {
  let status = 0;
  const program = describe((then) => {
    status = then;
  });
  try {
    await program.parseAsync(words, { from: 'user' });
    return status;
  } catch (failure) {
    if (failure instanceof CommanderError && failure.exitCode === 0) return 0;
    await write(process.stderr, `rootmode: ${refusal(failure, words)}\n`);
    return REFUSED;
  }
}

function describe(finish: (status: number) => void): Command {
  const program = new Command('rootmode')
    .description('Runs virtual machines on a software x86-64 processor.')
    .version(manifest.version)
    .helpCommand(false)
    .exitOverride()
    // Mistakes are said in one sentence by `main`.
    .configureOutput({ writeErr: () => undefined, outputError: () => undefined });

  const run = program
    .command('run')
    .description('boot a machine with its serial port on this terminal; Ctrl-A x quits, Ctrl-A c opens the monitor')
    .option('--machine <folder>', 'run the machine in this folder with its own settings instead of all the others')
    .option('--name <name>', 'name of the machine (default: machine- and the process id)')
    .action(async (options: RunOptions) => finish(await runCommand(options)));
  machineOptions(run, 'stdio');
  run
    .addOption(new Option('--display <where>', 'where the screen is shown: none').choices(['none']).default('none'))
    .addOption(
      new Option('--screenshot-at <text:REGEX=file>', 'picture of the screen once its text matches; may be repeated')
        .argParser((word: string, before: readonly string[] = []) => [...before, word])
        .default([], 'none'),
    );
  describeLibrary(program, finish);
  describeScreen(program, finish);

  program
    .command('regs')
    .description('show the registers of a running machine')
    .argument('<name>', 'name of the machine')
    .action(async (name: string) => finish(await regs(name)));

  describeStorage(program, finish);
  describeImage(program, { finish, write: (text) => write(process.stdout, text) });

  describeWatching(program, {
    finish,
    write: (text) => write(process.stdout, text),
    note: (text) => void process.stderr.write(`rootmode: ${text}\n`),
  });

  program
    .command('capabilities')
    .description('show what this host offers, and why not when not')
    .action(async () => finish(await capabilities()));

  program
    .command('doctor')
    .description('look at everything machines need of this host; exit status 1 when something is missing')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => finish(await doctor(options)));

  describeItself(program, finish);

  for (const command of program.commands) command.helpOption('-h, --help', 'show this help').copyInheritedSettings(program);
  program.helpOption('-h, --help', 'show this help');
  // Without a command there is nothing to do: say so, as for every other mistake.
  program.argument('[command]').action((word?: string) => {
    const reason = word === undefined ? 'A command is missing' : `There is no command ${JSON.stringify(word)}`;
    throw new EngineError('usage', { command: 'rootmode', reason });
  });
  return program;
}

/** What the program says about itself, for packages and shells. */
function describeItself(program: Command, finish: (status: number) => void): void {
  program
    .command('completion')
    .description('print the completion script for a shell')
    .addArgument(new Argument('<shell>', 'shell to complete in').choices(['bash', 'zsh', 'fish']))
    .action(async (shell: 'bash' | 'zsh' | 'fish') => {
      const [{ shapeOf }, { completionScript }] = await Promise.all([
        import('./servers/program/shape.ts'),
        import('./servers/program/completions.ts'),
      ]);
      await write(process.stdout, completionScript(shell, shapeOf(program)));
      finish(0);
    });
  program
    .command('manual')
    .description('print a manual page, as roff; `rootmode manual | man -l -` shows it')
    .addArgument(
      new Argument('[page]', 'rootmode(1), rootmode-contract(7): messages to machines, or rootmode-machine(5): their folders')
        .choices(['rootmode', 'rootmode-contract', 'rootmode-machine'])
        .default('rootmode'),
    )
    .option('--date <date>', 'date at its foot, as YYYY-MM-DD', '')
    .action(async (page: 'rootmode' | 'rootmode-contract' | 'rootmode-machine', { date }: { date: string }) => {
      const facts = { version: manifest.version, date };
      if (page === 'rootmode') {
        const [{ shapeOf }, { manualPage }] = await Promise.all([
          import('./servers/program/shape.ts'),
          import('./servers/program/manual.ts'),
        ]);
        await write(process.stdout, manualPage(shapeOf(program), facts));
      } else {
        const { contractPage, machinePage } = await import('./servers/program/contract-pages.ts');
        await write(process.stdout, (page === 'rootmode-contract' ? contractPage : machinePage)(facts));
      }
      finish(0);
    });
}

/** What a machine is made of, as `run` and `create` take it. */
function machineOptions(command: Command, serial: string): Command {
  return command
    .option('--kernel <file>', 'Linux bzImage, PVH ELF or multiboot image, started without firmware')
    .option('--firmware <file>', 'firmware image in place of the built-in BIOS')
    .option('--firmware-variables <file>', 'where it keeps its variables; made of those beside the firmware when missing')
    .option('--boot <settings>', 'order=KIND+KIND... of disk, floppy and cdrom; menu=on waits for F12')
    .option('--initrd <file>', 'initial ramdisk; for multiboot, modules as FILE[ ARGUMENTS][,FILE...]')
    .option('--append <text>', 'kernel command line')
    .option('--memory <MiB>', 'guest memory, 1 to 3584', '512')
    .option('--cpus <number>', 'number of vCPUs', '1')
    .option('--cpu <model>', 'processor model: x86-64-v2, qemu64 or x86-64-v2-vmx', 'x86-64-v2')
    .option('--accel <name>', 'what runs the guest; see `rootmode capabilities`', 'software')
    .option('--threads <mode>', 'per-vcpu, or round-robin on one thread', 'per-vcpu')
    .option('--jit <setting>', 'generate code for hot parts of the guest: on, off, or force for tests', 'on')
    .option('--vga <adapter>', 'display adapter: std or none', 'std')
    .option('--keyboard-layout <name>', 'keyboard that typed text is for: us, uk, de, fr, es, it or se', 'us')
    .option('--rtc <base>', 'what the clock shows at first: utc, or local time of the host', 'utc')
    .option('--serial <where>', 'stdio, file:PATH, console (for those who connect) or none', serial)
    .option('--disk <file[,option...]>', 'disk image; options: format=raw|qcow2, bus=ide, readonly, snapshot', collect)
    .option('--cdrom <file>', 'CD or DVD image; `none` for an empty drive', collect)
    .option('--floppy <file[,readonly]>', 'floppy image; `none` for an empty drive', collect)
    .option('--serial2 <where>', 'what COM2 sends: file:PATH or none', 'none')
    .option('--parallel <where>', 'what the printer port sends: file:PATH or none', 'none')
    .option('--no-reboot', 'end instead of resetting; after a triple fault with status 1 and a report')
    .option('--hpet', 'tell the guest of the high-precision event timer')
    .addOption(new Option('--debug-exit', 'a debug exit port at 0xf4: writing V ends with status (V << 1) | 1'));
}

/** An option that can come several times. */
function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** Verbs for screen, keyboard and power of a running machine, carried out in screen-verbs.ts. */
function describeScreen(program: Command, finish: (status: number) => void): void {
  const verbs = () => import('./screen-verbs.ts');
  const say = async (text: string): Promise<void> => {
    await write(process.stdout, text);
    finish(0);
  };
  program
    .command('screenshot')
    .description('take a picture of the screen')
    .argument('<name>', 'name of the machine')
    .argument('<file>', 'PNG file to write')
    .action(async (name: string, file: string) => say(await (await verbs()).screenshot(name, file)));
  program
    .command('screen')
    .description('show the characters on the screen, in text modes')
    .argument('<name>', 'name of the machine')
    .option('--text', 'as text; this is what it does anyway')
    .action(async (name: string) => say(await (await verbs()).screenText(name)));
  program
    .command('type')
    .description('type a text on the keyboard; \\n, \\t and \\e are Enter, Tab and Escape')
    .argument('<name>', 'name of the machine')
    .argument('<text>', 'what to type')
    .action(async (name: string, text: string) => say(await (await verbs()).type(name, text)));
  program
    .command('key')
    .description('press keys together, such as ctrl-alt-del')
    .argument('<name>', 'name of the machine')
    .argument('<keys...>', 'names joined by -, one chord after the other')
    .action(async (name: string, keys: string[]) => say(await (await verbs()).key(name, keys)));
  program
    .command('pointer')
    .description('move the pointer and press its buttons, such as: to 400 300 click')
    .argument('<name>', 'name of the machine')
    .argument('<actions...>', 'to X Y in dots; by X Y; wheel N; click, press or release, with left, right or middle')
    .allowUnknownOption()
    .action(async (name: string, actions: string[]) => say(await (await verbs()).pointer(name, actions)));
  program
    .command('power')
    .description('press the power or sleep button, reset, or cut the power')
    .argument('<name>', 'name of the machine')
    .argument('<what>', 'button, sleep, reset or off')
    .action(async (name: string, what: string) => say(await (await verbs()).power(name, what)));
}

/** Verbs for machines that are kept, carried out in library-verbs.ts. */
function describeLibrary(program: Command, finish: (status: number) => void): void {
  const verbs = () => import('./library-verbs.ts');
  const say = async (text: string): Promise<void> => {
    await write(process.stdout, text);
    finish(0);
  };
  program
    .command('list')
    .description('show the machines of the library')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => say(await (await verbs()).list(options)));
  const create = program
    .command('create')
    .description('make a machine in the library; it takes what `rootmode run` takes')
    .argument('<name>', 'name of the machine')
    .action(async (name: string, options: RunOptions) => say(await (await verbs()).create(name, wordsOf(options))));
  machineOptions(create, 'console');
  const named = (verb: 'start' | 'remove' | 'restore', description: string): void => {
    program
      .command(verb)
      .description(description)
      .argument('<name>', 'name of the machine')
      .action(async (name: string) => say(await (await verbs())[verb](name)));
  };
  named('start', 'start a machine of the library in the background');
  named('remove', 'put a machine of the library away');
  named('restore', 'bring a removed machine back');
  program
    .command('export')
    .description('pack a machine that does not run, with all files it names, into one file')
    .argument('<name>', 'name of the machine')
    .argument('[file]', 'the archive; NAME.rmvm here unless given')
    .action(async (name: string, file?: string) => say(await (await verbs()).exportMachine(name, file)));
  program
    .command('import')
    .description('take a machine into the library, from an archive or a machine folder')
    .argument('<path>', 'the archive or folder')
    .argument('[name]', 'its name here; that of the file unless given')
    .option('--allow-outside', 'also when the folder names files outside of itself, which the guest can then read and change')
    .action(async (path: string, name: string | undefined, words: { allowOutside?: boolean }) =>
      say(await (await verbs()).importMachine(path, name, words)),
    );
  program
    .command('copy')
    .description('copy a machine that does not run, disks included')
    .argument('<name>', 'name of the machine')
    .argument('<to>', 'name of the copy')
    .action(async (name: string, to: string) => say(await (await verbs()).copy(name, to)));
  program
    .command('rename')
    .description('give a machine that does not run another name')
    .argument('<name>', 'name of the machine')
    .argument('<to>', 'its new name')
    .action(async (name: string, to: string) => say(await (await verbs()).rename(name, to)));
  program
    .command('download')
    .description('download an image into the library; goes on where an earlier attempt was cut')
    .argument('<url>', 'its address')
    .option('--name <name>', 'its name in the library; that of the address unless given')
    .option('--sha256 <sum>', 'its SHA-256, checked before it appears')
    .action(async (url: string, words: DownloadWords) => say(await (await verbs()).download(url, words)));
  program
    .command('serve')
    .description('serve the window to a browser on this computer')
    .option('--port <number>', 'port on 127.0.0.1; 0 for any', '0')
    .option('--open', 'show it in your browser')
    .option('--listen <address>', 'serve beyond this computer, at this address; needs --tls-cert and --tls-key')
    .option('--tls-cert <file>', 'certificate in PEM; hosts it names are the only ones that are answered')
    .option('--tls-key <file>', 'its key in PEM')
    .action(async (options: ServeOptions) => {
      await (await verbs()).serve(options, (text) => void write(process.stdout, text));
      finish(0);
    });
}

function wordsOf(options: RunOptions): RunOptions & { readonly processId: number } {
  return { ...options, processId: process.pid };
}

async function runCommand(options: RunOptions): Promise<number> {
  const prepared = (await import('./prepared-threads.ts')).prepareMachineThreads();
  const { parseScreenshots } = await import('./servers/screenshot-at.ts');
  const screenshots = parseScreenshots(options.screenshotAt ?? []);
  const { settings, release } = await settingsOf(options);
  const program = new URL('./main.ts', import.meta.url);
  const { runMachine } = (await import(program.href)) as typeof import('./main.ts');
  try {
    const thumbnail = options.machine === undefined ? {} : { thumbnail: `${options.machine}/thumbnail.png` };
    return await runMachine(settings, { screenshots, prepared, ...thumbnail });
  } finally {
    release();
  }
}

async function settingsOf(options: RunOptions): Promise<{ readonly settings: MachineSettings; release(): void }> {
  if (options.machine !== undefined) return (await import('./library-verbs.ts')).takeMachine(options.machine);
  const { runSettings } = await import('./servers/run-settings.ts');
  return { settings: runSettings(wordsOf(options)), release: () => undefined };
}

async function regs(name: string): Promise<number> {
  const [{ connectEngine }, { createClient }, { engineCommands }, { MachineName }, { registerText }] = await Promise.all([
    import('./servers/engine-connection.ts'),
    import('./contract/client.ts'),
    import('./contract/commands.ts'),
    import('./contract/settings.ts'),
    import('./servers/register-text.ts'),
  ]);
  const parsed = MachineName.safeParse(name);
  if (!parsed.success) {
    const { firstProblem, printable } = await import('./contract/serve.ts');
    throw new EngineError('setting-invalid', { setting: 'NAME', value: printable(name), reason: firstProblem(parsed.error) });
  }
  const connection = await connectEngine(parsed.data);
  try {
    await write(process.stdout, registerText(await createClient(engineCommands, connection).machineRegisters({})));
  } finally {
    connection.close();
  }
  return 0;
}

async function capabilities(): Promise<number> {
  const [{ hostCapabilities }, { capabilityText }] = await Promise.all([
    import('./manager/capabilities.ts'),
    import('./servers/capability-text.ts'),
  ]);
  await write(process.stdout, capabilityText(hostCapabilities()));
  return 0;
}

/** Files that everything else needs, where this program finds them. */
const parts = [
  new URL('./main.ts', import.meta.url),
  new URL('../.out/interpreter.wasm', import.meta.url),
  new URL('../.out/interpreter.json', import.meta.url),
  new URL('../.out/renderer/index.html', import.meta.url),
  new URL('../assets/firmware/bios.bin', import.meta.url),
];

async function doctor({ json }: { json?: boolean }): Promise<number> {
  const [{ diagnose }, { doctorText }, { fileURLToPath }] = await Promise.all([
    import('./manager/doctor.ts'),
    import('./servers/doctor-text.ts'),
    import('node:url'),
  ]);
  const findings = diagnose({ version: manifest.version, files: parts.map((part) => fileURLToPath(part)) });
  const coloured = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;
  await write(
    process.stdout,
    json
      ? `${JSON.stringify(findings, undefined, 2)}
`
      : doctorText(findings, coloured),
  );
  return findings.some(({ state }) => state === 'fail') ? 1 : 0;
}

const screenVerbs = ['screenshot', 'screen', 'type', 'key', 'power'];
const libraryVerbs = ['list', 'create', 'start', 'remove', 'restore', 'export', 'import', 'copy', 'rename', 'download', 'serve'];
const verbs = [
  'run',
  ...libraryVerbs,
  ...screenVerbs,
  ...storageVerbs,
  'image',
  'regs',
  ...watchVerbs,
  'capabilities',
  'completion',
  'manual',
];

/** One sentence for whatever went wrong. */
function refusal(failure: unknown, words: readonly string[]): string {
  if (failure instanceof CommanderError) {
    const verb = words[0] !== undefined && verbs.includes(words[0]) ? `rootmode ${words[0]}` : 'rootmode';
    const reason = failure.message
      .replace(/^error: /, '')
      .replace(/\.?(\s*\n.*)?$/s, '')
      .replace('. Expected', ': expected');
    return new EngineError('usage', { command: verb, reason: sentenceCase(reason) }).message;
  }
  if (failure instanceof EngineError) return failure.message;
  return new EngineError('internal', { reason: failure instanceof Error ? (failure.stack ?? failure.message) : String(failure) })
    .message;
}

function sentenceCase(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Resolves when the text is out, also into a pipe: ending the process earlier would lose it. False: nobody reads any more. */
function write(stream: Writable, text: string): Promise<boolean> {
  return new Promise((resolve) => {
    const fail = (): void => resolve(false);
    stream.once('error', fail);
    stream.write(text, (failure) => {
      if (failure) return;
      stream.off('error', fail);
      resolve(true);
    });
  });
}

process.exitCode = await main(process.argv.slice(2));
