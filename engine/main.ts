/** The main thread of one machine's engine process. Composition root: it gives the machine the host's ports and starts its other threads. */
import { dirname, join } from 'node:path';
import { setTimeout as startTimer } from 'node:timers';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import manifest from '../package.json' with { type: 'json' };
import { EngineError } from './base/index.ts';
import type { CompilerPlan } from './compiler.ts';
import type { MachineSettings } from './contract/settings.ts';
import type { Stopped } from './contract/stops.ts';
import { provideVariables } from './firmware-variables.ts';
import { monotonicOrigin, monotonicSince, wallClockMilliseconds } from './host/clock.ts';
import { askedFirst, createPortPair, type PortEnd } from './host/compiler-port.ts';
import { isRegularFile, readRegularFile } from './host/files.ts';
import { onSignals, processId, setProcessTitle } from './host/process.ts';
import { prepareThread, type ThreadEvents } from './host/threads.ts';
import { checkInterpreter } from './interpreter-files.ts';
import { buildMachineControl } from './machine/control.ts';
import { Coordinator, type MachineEnd } from './machine/coordinator.ts';
import type { FromIo, FromVcpus, ThreadPlan, ToIo } from './machine/messages.ts';
import { type PreparedMachineThread, prepareMachineThread } from './prepared-threads.ts';
import { serveCommandSocket } from './servers/command-door.ts';
import { createJournal, type Journal, journaled } from './servers/journal.ts';
import type { MonitorConsole } from './servers/monitor-console.ts';
import type { ScreenshotAt } from './servers/screenshot-at.ts';
import { SerialConsole } from './servers/serial-console.ts';
import { Speaker } from './servers/speaker.ts';
import type { VcpuThreadPlan } from './vcpu-thread.ts';

/** How long after the power button a machine that was told to terminate is stopped, in milliseconds. */
const POWER_BUTTON_PATIENCE = 10_000;

const SIGNAL_STATUS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** What a run does besides running. */
export interface RunExtras {
  readonly screenshots?: readonly ScreenshotAt[];
  /** A file that holds a small picture of the screen. */
  readonly thumbnail?: string;
  /** The machine runs. */
  readonly onStarted?: () => void;
  /** Threads that load already. */
  readonly prepared?: readonly PreparedMachineThread[];
  /** What it says goes to the log of a machine that is kept. */
  readonly logged?: boolean;
}

/**
 * Run one machine until it ends. Resolves to the exit status of the process; rejects with `EngineError` when the machine cannot be made
 * or its images cannot be loaded, and then nothing is left behind.
 */
export async function runMachine(settings: MachineSettings, extras: RunExtras = {}): Promise<number> {
  const { screenshots = [], thumbnail, onStarted, prepared = [], logged = false } = extras;
  const journal = createJournal({
    form: logged ? 'log' : 'terminal',
    write: (text) => process.stderr.write(text),
    now: wallClockMilliseconds,
  });
  journal.info(startText(settings));
  const waiting = [...prepared];
  setProcessTitle(`rootmode ${settings.name}`);
  const clockOrigin = monotonicOrigin();
  checkInterpreter();
  const builtInFirmware = fileURLToPath(new URL('../assets/firmware/bios.bin', import.meta.url));
  const displayRom = displayRomBeside(settings);
  provideVariables(settings);
  const control = buildMachineControl(settings, monotonicSince(clockOrigin));

  const start = <Out, In>(role: ThreadPlan['role'], events: ThreadEvents<In>) => {
    const compilerEnd = role.kind === 'vcpus' && settings.jit === 'on' ? compiler.openEnd() : undefined;
    const plan: VcpuThreadPlan = {
      ...(compilerEnd && { compilerEnd }),
      settings,
      memory: control.memory.memory,
      clockOrigin,
      builtInFirmware,
      displayRom,
      role,
    };
    const at = waiting.findIndex(({ role: its }) => isDeepStrictEqual(its, role));
    const { thread } = waiting.splice(at, at < 0 ? 0 : 1)[0] ?? prepareMachineThread(role);
    return thread.begin<Out, In>({ data: plan, move: compilerEnd ? [compilerEnd.port] : [], ...events });
  };
  const compiler = new CompilerThread(control.memory.memory, journal);
  let machine: Coordinator | undefined;
  let watching: { stop(): void } | undefined;
  let picturing: { stop(): void } | undefined;
  const dispatcher = once(async () => {
    const { createEngineDispatcher } = await import('./servers/engine-commands.ts');
    return journaled(createEngineDispatcher({ settings, control, machine: () => machine }), journal);
  });
  const signals = hearSignals(() => machine);
  const serial = [new SerialConsole(), new SerialConsole()];
  const speaker = new Speaker();
  const socket = await serveCommandSocket({
    name: settings.name,
    version: manifest.version,
    dispatcher,
    subscribe: (event, tell) => {
      if (event === 'machine-stopped') {
        const told = (stopped: Stopped | undefined) => tell(stopped === undefined ? {} : { stopped });
        told(machine?.debugger.stopped);
        return machine?.debugger.listen(told) ?? (() => undefined);
      }
      if (event === 'speaker-tone') return speaker.listen((hertz) => tell({ hertz }));
      const ends = serial.map((console, port) => {
        const say = (bytes: Uint8Array, history: boolean) =>
          tell({ port, bytes: Buffer.from(bytes).toString('base64'), history });
        say(console.history(), true);
        return console.listen((bytes) => say(bytes, false));
      });
      return () => {
        for (const end of ends) end();
      };
    },
    viewScreen: async (show) => {
      if (machine === undefined) throw new EngineError('screen-missing', { name: settings.name });
      const end = await machine.viewScreen(show);
      journal.debug('Somebody looks at the screen.');
      return () => {
        journal.debug('Somebody no longer looks at the screen.');
        end();
      };
    },
  });
  const monitor = once(async (): Promise<MonitorConsole> => {
    const { createMonitorConsole } = await import('./servers/monitor-console.ts');
    return createMonitorConsole({
      dispatcher: await dispatcher(),
      print: (text) => process.stderr.write(text),
      leave: (rest) => machine?.leaveMonitor(rest),
    });
  });
  try {
    const early = signals.early();
    if (early !== undefined) return SIGNAL_STATUS[early];
    machine = new Coordinator({
      settings,
      control,
      startIo: start<ToIo, FromIo>,
      startVcpus: start<never, FromVcpus>,
      after: (milliseconds, callback) => {
        const timer = startTimer(callback, milliseconds);
        return () => clearTimeout(timer);
      },
      onSerial: (port, bytes) => serial[port]?.feed(bytes),
      onTone: (hertz) => speaker.play(hertz),
      onMonitor: (bytes, entered) => void monitor().then((console) => console.feed(bytes, entered)),
      onNotice: ({ message }) => journal.warn(`${settings.name}: ${message}`),
    });
    for (const { thread } of waiting.splice(0)) thread.discard();
    await machine.start();
    if (settings.kernel !== undefined) compiler.prepare();
    onStarted?.();
    journal.info('The guest runs.');
    machine.debugger.listen((stopped) => journal.info(stopped === undefined ? 'It goes on.' : standsStillText(stopped)));
    if (thumbnail !== undefined && settings.vga !== 'none') {
      picturing = (await import('./servers/thumbnail.ts')).keepThumbnail(machine, thumbnail);
    }
    if (screenshots.length > 0) {
      const { watchScreen } = await import('./servers/screenshot-at.ts');
      watching = watchScreen({ machine, screenshots, report: (text) => process.stderr.write(text) });
    }
    return await exitStatus(await machine.ended, settings, journal);
  } finally {
    watching?.stop();
    picturing?.stop();
    compiler.stop();
    signals.stop();
    await socket.close();
  }
}

/** What takes time to load is loaded when it is asked for first, and once. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** The thread that compiles hot code, for all vCPU threads. Without it, if it ends, the guest goes on with what has been compiled. */
class CompilerThread {
  readonly #memory: WebAssembly.Memory;
  readonly #ends: PortEnd[] = [];
  #stop: () => void = () => undefined;
  readonly #journal: Journal;
  #ended = false;

  constructor(memory: WebAssembly.Memory, journal: Journal) {
    this.#memory = memory;
    this.#journal = journal;
  }

  /** The end of one vCPU thread. The first order of any starts the thread: until then there is nothing to compile, and mostly enough to do. */
  openEnd(): PortEnd {
    const [polling, listening] = createPortPair();
    this.#ends.push(listening);
    void askedFirst(listening).then(() => this.#start());
    return polling;
  }

  /** An operating system is about to start: its first orders come within milliseconds, and the thread takes longer to load. */
  prepare(): void {
    this.#start();
  }

  #start(): void {
    const ends = this.#ends.splice(0);
    if (ends.length === 0 || this.#ended) return;
    const plan: CompilerPlan = { memory: this.#memory, ends };
    const thread = prepareThread(new URL('./compiler.ts', import.meta.url), 'JIT').begin<never, never>({
      data: plan,
      move: ends.map(({ port }) => port),
      onMessage: () => undefined,
      onFailure: (reason) => this.#journal.warn(`the compiler of hot code ended: ${reason}`),
      onExit: () => undefined,
    });
    this.#stop = () => void thread.terminate();
  }

  stop(): void {
    this.#ended = true;
    this.#stop();
  }
}

type EndingSignal = keyof typeof SIGNAL_STATUS;

interface Signals {
  /** The signal that came before there was a machine, if one did. */
  early(): EndingSignal | undefined;
  stop(): void;
}

/** SIGINT ends the machine; SIGTERM and SIGHUP press the power button and end it when the guest has not after a while, or when repeated. */
function hearSignals(machine: () => Coordinator | undefined): Signals {
  let timer: NodeJS.Timeout | undefined;
  let early: EndingSignal | undefined;
  const unhook = onSignals(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGCONT'], (signal) => {
    const coordinator = machine();
    if (signal === 'SIGCONT') coordinator?.continued();
    else if (coordinator === undefined) early ??= signal;
    else if (signal === 'SIGINT' || timer !== undefined || coordinator.status !== 'running') coordinator.stop(signal);
    else {
      coordinator.powerButton();
      timer = startTimer(() => coordinator.stop(signal), POWER_BUTTON_PATIENCE);
    }
  });
  return {
    early: () => early,
    stop: () => {
      clearTimeout(timer);
      unhook();
    },
  };
}

function startText({ name, accel, cpu, cpus, memoryKiB, jit, threads }: MachineSettings): string {
  return `${name} starts in process ${processId}: ${accel}, ${cpus} vCPU of ${cpu}, ${memoryKiB / 1024} MiB, threads ${threads}, jit ${jit}.`;
}

function standsStillText({ why, what, vcpu }: Stopped): string {
  return `It stands still (${why}${vcpu === undefined ? '' : ` on vCPU ${vcpu}`})${what === undefined ? '' : `: ${what}`}.`;
}

async function exitStatus(end: MachineEnd, { name }: MachineSettings, journal: Journal): Promise<number> {
  switch (end.kind) {
    case 'poweroff':
      journal.info('The guest turned the machine off.');
      return 0;
    case 'reset':
      journal.info('The guest reset the machine, which ends it.');
      return 0;
    case 'debug-exit':
      journal.info(`The guest ended the machine with ${end.value}.`);
      return ((end.value << 1) | 1) & 0xff;
    case 'triple-fault': {
      const { registerText } = await import('./servers/register-text.ts');
      journal.error(
        `${name}: triple fault on vCPU ${end.report.vcpu} after ${end.report.instructions} instructions\n${registerText({ vcpus: [end.report] })}`,
      );
      return 1;
    }
    case 'entry-failed': {
      const [{ checksOnWire }, { checklistText }] = await Promise.all([
        import('./servers/observe-commands.ts'),
        import('./servers/watch/vmcs.ts'),
      ]);
      journal.error(
        `${name}: VM entry failed on vCPU ${end.vcpu}; please report this.\n${checklistText(checksOnWire(end.checks))}`,
      );
      return 1;
    }
    case 'stopped':
      journal.info(`It was stopped: ${end.why}.`);
      return end.why in SIGNAL_STATUS ? SIGNAL_STATUS[end.why as keyof typeof SIGNAL_STATUS] : 0;
    case 'failed':
      journal.error(end.failure.message);
      return 1;
  }
}

/** Where SeaBIOS finds the screen's services, as its distributions install them: beside the firmware's file. */
const VGA_ROM = 'vgabios-stdvga.bin';

function displayRomBeside({ firmware, vga }: MachineSettings): Uint8Array | undefined {
  if (firmware === undefined || vga !== 'std') return undefined;
  const path = join(dirname(firmware), VGA_ROM);
  return isRegularFile(path) ? readRegularFile(path, 'option ROM') : undefined;
}
