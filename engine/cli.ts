/**
 * The command line. Composition root: it parses, checks, and hands over. Modules beyond option parsing are loaded by the command that
 * needs them, so that `rootmode --help` answers at once.
 */
import { Argument, type Command } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import { EngineError } from './base/errors.ts';
import { addHelp, carryOut, newProgram, write } from './command-words.ts';
import { describeImage } from './image-words.ts';
import type { DownloadWords, ServeOptions } from './library-verbs.ts';
import { describeRun, machineOptions, type RunOptions, wordsOf } from './run-command.ts';
import { describeStorage, storageVerbs } from './storage-words.ts';
import { describeWatching, watchVerbs } from './watch-verbs.ts';

function describe(finish: (status: number) => void): Command {
  const program = newProgram();
  describeRun(program, finish);
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
    .option('--vmx', 'the capability MSRs of VMX instead: what they allow of a VMCS')
    .option('--json', 'as JSON')
    .action(async (options: { vmx?: boolean; json?: boolean }) => finish(await capabilities(options)));

  program
    .command('doctor')
    .description('look at everything machines need of this host; exit status 1 when something is missing')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => finish(await doctor(options)));

  describeItself(program, finish);

  addHelp(program);
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
    .option('--show <name>', 'begin with the screen of this machine')
    .option('--listen <address>', 'serve beyond this computer, at this address; needs --tls-cert and --tls-key')
    .option('--tls-cert <file>', 'certificate in PEM; hosts it names are the only ones that are answered')
    .option('--tls-key <file>', 'its key in PEM')
    .action(async (options: ServeOptions) => {
      await (await verbs()).serve(options, (text) => void write(process.stdout, text));
      finish(0);
    });
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
    const { firstProblem, printable } = await import('./contract/problem-text.ts');
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

async function capabilities({ vmx, json }: { vmx?: boolean; json?: boolean }): Promise<number> {
  const { capabilityText, vmxText } = await import('./servers/capability-text.ts');
  const say = <T>(value: T, text: (value: T) => string): Promise<boolean> =>
    write(process.stdout, json ? `${JSON.stringify(value, undefined, 2)}\n` : text(value));
  if (vmx) await say((await import('./vmx-report.ts')).vmxReport(), vmxText);
  else await say((await import('./manager/capabilities.ts')).hostCapabilities(), capabilityText);
  return 0;
}

/** Files that everything else needs, where this program finds them. */
const parts = [
  new URL('./run.ts', import.meta.url),
  new URL('./vcpu-thread.ts', import.meta.url),
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

process.exitCode = await carryOut({ words: process.argv.slice(2), verbs, describe });
