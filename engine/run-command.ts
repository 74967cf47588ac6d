/**
 * The command `run`, and the options of a machine. A program of its own, so that a machine starts without what other commands need; the
 * command line has it among its commands as well.
 */
import { type Command, Option } from 'commander';
import { addHelp, carryOut, newProgram } from './command-words.ts';
import type { MachineSettings } from './contract/settings.ts';
import type { MachineWindow } from './display-window.ts';
import type { PreparedMachineThread } from './prepared-threads.ts';
import type { RunWords } from './servers/run-settings.ts';

export interface RunOptions extends Omit<RunWords, 'processId'> {
  readonly machine?: string;
  readonly display?: 'none' | 'window';
  readonly screenshotAt?: readonly string[];
}

/** Carry out one command line whose first word is `run`, on threads that load already. Returns the exit status; never rejects. */
export function main(words: readonly string[], prepared: readonly PreparedMachineThread[]): Promise<number> {
  return carryOut({
    words,
    verbs: ['run'],
    describe: (finish) => {
      const program = newProgram();
      describeRun(program, finish, prepared);
      addHelp(program);
      return program;
    },
  });
}

export function describeRun(
  program: Command,
  finish: (status: number) => void,
  prepared?: readonly PreparedMachineThread[],
): void {
  const run = program
    .command('run')
    .description('boot a machine with its serial port on this terminal; Ctrl-A x quits, Ctrl-A c opens the monitor')
    .option('--machine <folder>', 'run the machine in this folder with its own settings instead of all the others')
    .option('--name <name>', 'name of the machine (default: machine- and the process id)')
    .action(async (options: RunOptions) => finish(await runCommand(options, prepared)));
  machineOptions(run, 'stdio');
  run
    .addOption(
      new Option('--display <where>', 'where the screen is shown: in a window (of Electron, else of your browser), or nowhere')
        .choices(['none', 'window'])
        .default('none'),
    )
    .addOption(
      new Option('--screenshot-at <text:REGEX=file>', 'picture of the screen once its text matches; may be repeated')
        .argParser((word: string, before: readonly string[] = []) => [...before, word])
        .default([], 'none'),
    );
}

/** What a machine is made of, as `run` and `create` take it. */
export function machineOptions(command: Command, serial: 'stdio' | 'console'): Command {
  const serial2 = serial === 'stdio' ? 'none' : 'console';
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
    .option('--snapshot', 'what the guest writes to any disk or floppy is forgotten at the end')
    .option('--serial2 <where>', 'COM2: file:PATH, console (for those who connect) or none', serial2)
    .option('--serial-log <where>', 'keep what COM1 sends as well: added to file:PATH, or none', 'none')
    .option('--serial2-log <where>', 'the same for COM2', 'none')
    .option('--parallel <where>', 'what the printer port sends: file:PATH or none', 'none')
    .option('--no-reboot', 'end instead of resetting; after a triple fault with status 1 and a report')
    .option('--hpet', 'tell the guest of the high-precision event timer')
    .addOption(new Option('--debug-exit', 'a debug exit port at 0xf4: writing V ends with status (V << 1) | 1'));
}

/** An option that can come several times. */
function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

export function wordsOf(options: RunOptions): RunWords {
  return { ...options, processId: process.pid };
}

async function runCommand(options: RunOptions, early?: readonly PreparedMachineThread[]): Promise<number> {
  const prepared = early ?? (await import('./prepared-threads.ts')).prepareMachineThreads();
  const { parseScreenshots } = await import('./servers/screenshot-at.ts');
  const screenshots = parseScreenshots(options.screenshotAt ?? []);
  const { settings, release } = await settingsOf(options);
  const { runMachine } = await import('./main.ts');
  let window: MachineWindow | undefined;
  try {
    const thumbnail = options.machine === undefined ? {} : { thumbnail: `${options.machine}/thumbnail.png`, logged: true };
    window = await windowOf(options, settings);
    return await runMachine(settings, { screenshots, prepared, ...thumbnail, onStarted: () => window?.open() });
  } catch (failure) {
    if (options.machine !== undefined) (await import('./manager/failure-file.ts')).writeFailure(options.machine, failure);
    throw failure;
  } finally {
    window?.close();
    release();
  }
}

async function windowOf(options: RunOptions, settings: MachineSettings): Promise<MachineWindow | undefined> {
  if (options.display !== 'window') return undefined;
  const { prepareWindow } = await import('./display-window.ts');
  return prepareWindow({ settings, folder: options.machine, words: wordsOf(options) });
}

async function settingsOf(options: RunOptions): Promise<{ readonly settings: MachineSettings; release(): void }> {
  if (options.machine !== undefined) return (await import('./take-machine.ts')).takeMachine(options.machine);
  const { runSettings } = await import('./servers/run-settings.ts');
  return { settings: runSettings(wordsOf(options)), release: () => undefined };
}
