/**
 * The coordinator of one machine, on the main thread: starts its threads, lets vCPUs run and stops them, and decides how it ends. It
 * never takes the machine lock and never touches guest memory: what it wants of a vCPU it requests, what it wants of the board it asks
 * the I/O thread for.
 */
import { EngineError, REQUEST, Requests } from '../base/index.ts';
import type { PointerMove } from '../board/keyboard.ts';
import type { MachineSettings, MachineStatus } from '../contract/settings.ts';
import type { Stopped } from '../contract/stops.ts';
import { FIXED } from '../memory/index.ts';
import type { MachineControl } from './control.ts';
import { Debugger, frameOf } from './debugger.ts';
import type { MediaChange } from './drives.ts';
import type { KeyStroke } from './keymap.ts';
import {
  type FromIo,
  type FromVcpus,
  type MachineEvent,
  type NextInstruction,
  type ThreadPlan,
  type ToIo,
  unpackFailure,
  type VcpuReport,
} from './messages.ts';
import { Questions } from './questions.ts';
import { ScreenDesk } from './screen-desk.ts';
import { SerialDesk } from './serial-desk.ts';
import { Tracer } from './tracer.ts';

/** How a machine ended. */
export type MachineEnd =
  | { readonly kind: 'poweroff' }
  /** The guest asked for a reset under `noReboot`. */
  | { readonly kind: 'reset' }
  | { readonly kind: 'debug-exit'; readonly value: number }
  | { readonly kind: 'triple-fault'; readonly report: VcpuReport }
  | Extract<MachineEvent, { readonly kind: 'entry-failed' }>
  /** Somebody stopped it: `why` is the caller's own word. */
  | { readonly kind: 'stopped'; readonly why: string }
  | { readonly kind: 'failed'; readonly failure: EngineError };

/** One thread as the coordinator holds it. */
export interface ThreadHandle<Out> {
  post(message: Out): void;
  terminate(): Promise<void>;
}

export interface ThreadEvents<In> {
  onMessage(message: In): void;
  onFailure(reason: string): void;
  onExit(): void;
}

/** What the coordinator needs of its host and of the machine's memory. */
export interface CoordinatorParts {
  readonly settings: MachineSettings;
  /** The main thread's view: the clock, words of threads and what can be watched, nothing of the guest. */
  readonly control: MachineControl;
  startIo(plan: ThreadPlan['role'], events: ThreadEvents<FromIo>): ThreadHandle<ToIo>;
  startVcpus(plan: ThreadPlan['role'], events: ThreadEvents<FromVcpus>): ThreadHandle<never>;
  /** Calls back once after so many milliseconds, unless the function it returns is called before. */
  after(milliseconds: number, callback: () => void): () => void;
  /** What the guest's speaker plays from now on, in hertz; 0: nothing. */
  onTone(hertz: number): void;
  /** Serial output of the guest, where the console is its target. */
  onSerial(port: number, bytes: Uint8Array): void;
  /** Bytes typed into the monitor; `entered` with the first. */
  onMonitor(bytes: Uint8Array, entered: boolean): void;
  /** Something a person should read, although the machine goes on. */
  onNotice(notice: EngineError): void;
}

/** How long a thread may take to reach a safe point before it is ended by force, in milliseconds. */
const PATIENCE = 2000;
/** How long a reader may hold up the last bytes of a machine that was stopped rather than ended by its guest, in milliseconds. */
const FLUSH = 1000;

/** Windows that may look at one screen. */
const VIEWERS = 8;

interface VcpuThread {
  readonly vcpus: readonly number[];
  readonly handle: ThreadHandle<never>;
  readonly exited: PromiseWithResolvers<void>;
}

export class Coordinator {
  readonly #parts: CoordinatorParts;
  readonly #io: ThreadHandle<ToIo>;
  readonly #threads: VcpuThread[];
  readonly #ended = Promise.withResolvers<MachineEnd>();
  readonly #finished = Promise.withResolvers<void>();
  /** What vCPUs are asked while they run. */
  readonly questions: Questions;
  readonly tracer: Tracer;
  /** Stops, and why the machine stands still. */
  readonly debugger: Debugger;
  /** What the I/O thread is asked about screen and keyboard. */
  readonly screen: ScreenDesk;
  readonly serial: SerialDesk;
  /** Called when no vCPU runs any more and the screen can still be asked. */
  lastLook: () => Promise<void> = () => Promise.resolve();
  #status: MachineStatus = 'starting';
  #parked = 0;
  #allParked = settledLater<void>();
  #booted = settledLater<void>();
  /** Known once a thread has built the vCPUs; before, none can run. */
  #requests: Requests | undefined;
  #resetting = false;
  /** Orders to the I/O thread that were not answered yet. */
  readonly #orders = new Map<number, PromiseWithResolvers<void>>();
  #nextOrder = 0;
  readonly #viewers = new Map<number, (record: Uint8Array) => void>();
  #nextStream = 0;
  #resuming = false;

  constructor(parts: CoordinatorParts) {
    this.#parts = parts;
    const { name, cpus, threads } = parts.settings;
    this.questions = new Questions({
      name,
      vcpus: cpus,
      patience: PATIENCE,
      after: parts.after,
      put: (vcpu, serial, question) => {
        parts.control.gate.ask(vcpu, serial, question);
        const thread = this.#threads.find(({ vcpus }) => vcpus.includes(vcpu));
        // A thread that runs several vCPUs waits on the first one's word.
        for (const one of new Set([vcpu, thread?.vcpus[0] ?? vcpu])) this.#requests?.raiseOne(one, REQUEST.sync);
      },
    });
    this.screen = new ScreenDesk({
      name,
      patience: PATIENCE,
      after: parts.after,
      post: (serial, question) => this.#io.post({ kind: 'screen', serial, question }),
    });
    this.serial = new SerialDesk({
      settings: parts.settings,
      post: (message) => {
        if (this.#status === 'running') this.#io.post(message);
      },
      carryOut: (make) => this.#carryOut(make),
    });
    this.tracer = new Tracer({ ...parts.control, vcpus: cpus, after: parts.after });
    this.debugger = new Debugger({
      ...parts.control,
      list: parts.control.stops,
      vcpus: cpus,
      enableProbes: (mask) => this.tracer.enableForStops(mask),
      wake: () => this.#requests?.raise(-1, REQUEST.sync),
    });
    const all = Array.from({ length: cpus }, (_, vcpu) => vcpu);
    const groups = threads === 'round-robin' ? [all] : all.map((vcpu) => [vcpu]);
    this.#io = parts.startIo(
      { kind: 'io' },
      {
        onMessage: (message) => this.#fromIo(message),
        onFailure: (reason) => this.#threadFailed('I/O', reason),
        onExit: () => this.#finished.resolve(),
      },
    );
    this.#threads = groups.map((vcpus) => {
      const exited = Promise.withResolvers<void>();
      const handle = parts.startVcpus(
        { kind: 'vcpus', vcpus },
        {
          onMessage: (message) => this.#fromVcpus(message),
          onFailure: (reason) => this.#threadFailed('vCPU', reason),
          onExit: () => exited.resolve(),
        },
      );
      return { vcpus, handle, exited };
    });
  }

  get status(): MachineStatus {
    return this.#status;
  }

  /** Settles once, after all threads have ended. */
  get ended(): Promise<MachineEnd> {
    return this.#ended.promise;
  }

  /** Load the images and let the guest run. Rejects with `EngineError` when they cannot be loaded; the machine is then over. */
  async start(): Promise<void> {
    try {
      await this.#boot();
    } catch (failure) {
      await this.#stop({ kind: 'failed', failure: failure as EngineError });
      throw failure;
    }
  }

  powerButton(): void {
    if (this.#status === 'running') this.#io.post({ kind: 'power-button' });
  }

  /** Stand still until `continue`. Resolves when every vCPU does. Rejects with `machine-not-answering`. */
  async pause(): Promise<void> {
    if (this.#status === 'running' && !this.#resetting) this.#standStill({ why: 'pause' });
    await this.#parkedAll();
  }

  /** Go on after a pause: requests that found no room on the host are tried again. A running machine runs on. */
  async continue(): Promise<void> {
    if (this.#status !== 'paused' || this.#resuming) return;
    this.#resuming = true;
    try {
      await this.#parkedAll();
    } finally {
      this.#resuming = false;
    }
    if (this.#status !== 'paused') return;
    this.#io.post({ kind: 'retry-drives' });
    this.#run();
  }

  /** One vCPU of a paused machine executes a few instructions; all others, and time, stand still. */
  async stepInto(vcpu: number, count: number): Promise<{ readonly retired: number; readonly next: NextInstruction }> {
    await this.#parkedAll();
    const stepped = await this.questions.ask(vcpu, { kind: 'step', count });
    this.debugger.standsStill({ why: 'step', vcpu });
    return stepped;
  }

  /** Go on until the function that a vCPU is in has returned. */
  async stepOut(vcpu: number): Promise<NextInstruction> {
    await this.#parkedAll();
    const { next } = await this.questions.ask(vcpu, { kind: 'code', bytes: 1 });
    this.debugger.arm({ vcpu, condition: { on: 'return', ...frameOf(next) } });
    await this.continue();
    return next;
  }

  /** Go on until this address is reached: by a vCPU, or by any; in the frame of `next`, or anywhere. */
  async runTo(
    gva: bigint,
    { vcpu, next }: { readonly vcpu?: number | undefined; readonly next?: NextInstruction },
  ): Promise<void> {
    const condition = { on: 'code', gva: `0x${gva.toString(16)}` } as const;
    this.debugger.arm({ condition, vcpu, ...(next && { frame: frameOf(next) }) });
    await this.continue();
  }

  /** Put a medium into a drive, or take one out. Rejects with what the I/O thread refuses it for. */
  changeMedium(change: MediaChange): Promise<void> {
    return this.#carryOut((id) => ({ kind: 'change-medium', id, change }));
  }

  #carryOut(make: (id: number) => ToIo): Promise<void> {
    const settled = Promise.withResolvers<void>();
    const id = this.#nextOrder++;
    this.#orders.set(id, settled);
    this.#io.post(make(id));
    return settled.promise;
  }

  sleepButton(): void {
    if (this.#status === 'running') this.#io.post({ kind: 'sleep-button' });
  }

  /** Reset by hand; `noReboot` counts for the guest's own resets only. */
  reset(): void {
    void this.#again();
  }

  /** End now. The first reason wins; asking again gives up on a slow reader of the last bytes. */
  stop(why: string): void {
    if (this.#status === 'stopping') this.#finished.resolve();
    else void this.#stop({ kind: 'stopped', why });
  }

  leaveMonitor(rest: Uint8Array): void {
    this.#io.post({ kind: 'leave-monitor', rest });
  }

  continued(): void {
    this.#io.post({ kind: 'continued' });
  }

  /** Look at the screen: `onRecord` gets its records until the function that is returned is called. Rejects with `screen-missing`. */
  async viewScreen(onRecord: (record: Uint8Array) => void): Promise<() => void> {
    if (this.#viewers.size >= VIEWERS) throw new EngineError('screen-viewers', { maximum: VIEWERS });
    const stream = ++this.#nextStream;
    this.#viewers.set(stream, onRecord);
    const close = (): void => {
      if (this.#viewers.delete(stream)) this.#io.post({ kind: 'screen-close', stream });
    };
    try {
      await this.screen.ask({ kind: 'view', stream });
    } catch (failure) {
      close();
      throw failure;
    }
    return close;
  }

  screenShown(stream: number, serial: number): void {
    this.#io.post({ kind: 'screen-shown', stream, serial });
  }

  /** What hands do at keyboard and mouse. */
  input(strokes: readonly KeyStroke[], move: PointerMove | undefined): void {
    if (this.#status === 'running') this.#io.post({ kind: 'input', strokes, move });
  }

  /** Registers of a vCPU. Rejects with `vcpu-unknown` or `machine-not-answering`. */
  async report(vcpu: number): Promise<VcpuReport> {
    return (await this.questions.ask(vcpu, { kind: 'registers' })).report;
  }

  reports(): Promise<VcpuReport[]> {
    return Promise.all(Array.from({ length: this.#parts.settings.cpus }, (_, vcpu) => this.report(vcpu)));
  }

  async #boot(): Promise<void> {
    // At first nothing runs: the vCPUs' threads are still being made, which changes nothing that a boot sets.
    if (this.#status !== 'starting') await Promise.race([this.#allParked.promise, this.#booted.promise]);
    this.#io.post({ kind: 'boot' });
    await this.#booted.promise;
    await this.#allParked.promise;
    if (this.#status === 'stopping') return;
    this.#booted = settledLater();
    this.#run();
  }

  /** Every thread is parked, or has not run yet: off they go. */
  #run(): void {
    const { gate, memory } = this.#parts.control;
    this.#parked = 0;
    this.#allParked = settledLater();
    this.#status = 'running';
    if (!memory.clock.running) memory.clock.start();
    this.debugger.goesOn();
    gate.open();
  }

  /** Reset: everything stops between two instructions, the board and the images begin again, everything goes on. */
  async #again(): Promise<void> {
    if (this.#resetting || (this.#status !== 'running' && this.#status !== 'paused')) return;
    this.#resetting = true;
    this.#closeGate();
    try {
      await this.#boot();
    } catch (failure) {
      await this.#stop({ kind: 'failed', failure: failure as EngineError });
    } finally {
      this.#resetting = false;
    }
  }

  /** Nothing runs until `continue`; what the guest sees of time stands still as well. */
  #standStill(stopped: Stopped): void {
    if (this.#status !== 'running') return;
    this.#status = 'paused';
    this.#closeGate();
    this.#parts.control.memory.clock.stop();
    this.debugger.standsStill(stopped);
  }

  async #parkedAll(): Promise<void> {
    const { name } = this.#parts.settings;
    if (!(await this.#within(this.#allParked.promise, PATIENCE))) {
      throw new EngineError('machine-not-answering', { name, seconds: PATIENCE / 1000 });
    }
  }

  #closeGate(): void {
    this.#parts.control.gate.close();
    this.#requests?.raise(-1, REQUEST.stop);
  }

  async #stop(end: MachineEnd): Promise<void> {
    if (this.#status === 'stopping') return;
    this.#status = 'stopping';
    const { gate, memory } = this.#parts.control;
    gate.end();
    this.#requests?.raise(-1, REQUEST.stop);
    this.#allParked.resolve();
    this.#booted.resolve();
    await Promise.all(
      this.#threads.map(async ({ handle, exited }) => {
        if (!(await this.#within(exited.promise, PATIENCE))) await handle.terminate();
      }),
    );
    memory.clock.stop();
    this.questions.close();
    this.tracer.close();
    if (end.kind !== 'failed') await this.lastLook();
    this.screen.close();
    this.#io.post({ kind: 'finish' });
    const byGuest = end.kind !== 'stopped' && end.kind !== 'failed';
    if (byGuest) await this.#finished.promise;
    else await this.#within(this.#finished.promise, FLUSH);
    await this.#io.terminate();
    this.#ended.resolve(end);
  }

  /** Whether `promise` settles within so many milliseconds. */
  #within(promise: Promise<void>, milliseconds: number): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = this.#parts.after(milliseconds, () => resolve(false));
      const settled = (): void => {
        cancel();
        resolve(true);
      };
      void promise.then(settled, settled);
    });
  }

  #threadFailed(thread: string, reason: string): void {
    const failure = new EngineError('thread-failed', { thread, reason });
    if (thread === 'I/O') this.#finished.resolve();
    this.#booted.reject(failure);
    this.#allParked.reject(failure);
    void this.#stop({ kind: 'failed', failure });
  }

  #event(event: MachineEvent): void {
    const { noReboot } = this.#parts.settings;
    switch (event.kind) {
      case 'poweroff':
        void this.#stop(event);
        return;
      case 'debug-exit':
      case 'entry-failed':
        void this.#stop(event);
        return;
      case 'reset':
        if (noReboot) void this.#stop(event);
        else void this.#again();
        return;
      case 'triple-fault':
        if (noReboot) void this.#stop(event);
        else void this.#again();
    }
  }

  #fromVcpus(message: FromVcpus): void {
    switch (message.kind) {
      case 'parked':
        if (++this.#parked === this.#threads.length) this.#allParked.resolve();
        return;
      case 'event':
        this.#event(message.event);
        return;
      case 'tone':
        this.#parts.onTone(message.hertz);
        return;
      case 'stopped':
        this.#met(message);
        return;
      case 'answer':
        this.questions.answered(message.vcpu, message.serial, message.answer);
    }
  }

  /** A vCPU closed the gate; a machine that begins again or ends meanwhile opens it, or never does. */
  #met(message: Extract<FromVcpus, { readonly kind: 'stopped' }>): void {
    if (this.#status !== 'running' || this.#resetting) return;
    this.#status = 'paused';
    this.#parts.control.memory.clock.stop();
    this.debugger.met(message);
  }

  #built(words: readonly number[]): void {
    const { memory } = this.#parts.control;
    const requestWord = (vcpu: number): number => words[vcpu] as number;
    this.#requests = new Requests({ words: memory.i32, block: FIXED.requests, vcpus: words.length, requestWord });
  }

  #fromIo(message: FromIo): void {
    switch (message.kind) {
      case 'built':
        this.#built(message.requestWords);
        return;
      case 'booted':
        this.#booted.resolve();
        return;
      case 'failed': {
        const failure = unpackFailure(message.failure);
        this.#booted.reject(failure);
        if (this.#status === 'running' && !this.#resetting) void this.#stop({ kind: 'failed', failure });
        return;
      }
      case 'event':
        this.#event(message.event);
        return;
      case 'tone':
        this.#parts.onTone(message.hertz);
        return;
      case 'quit':
        this.stop('quit');
        return;
      case 'host-full':
        if (this.#status === 'running') this.#parts.onNotice(unpackFailure(message.failure));
        this.#standStill({ why: 'host-full', what: unpackFailure(message.failure).message });
        return;
      case 'drive-failure':
        this.#parts.onNotice(unpackFailure(message.failure));
        return;
      case 'serial-log-ended':
        this.serial.ended(message.port);
        this.#parts.onNotice(unpackFailure(message.failure));
        return;
      case 'carried-out': {
        const order = this.#orders.get(message.id);
        this.#orders.delete(message.id);
        if (message.failure) order?.reject(unpackFailure(message.failure));
        else order?.resolve();
        return;
      }
      case 'monitor':
        this.#parts.onMonitor(message.bytes, message.entered);
        return;
      case 'screen':
        this.screen.answered(message.serial, message.answer);
        return;
      case 'screen-record':
        this.#viewers.get(message.stream)?.(message.record);
        return;
      case 'serial-output':
        this.#parts.onSerial(message.port, message.bytes);
        return;
      case 'finished':
        this.#finished.resolve();
    }
  }
}

/** A promise whose rejection is not an error while nobody awaits it. */
function settledLater<T>(): PromiseWithResolvers<T> {
  const parts = Promise.withResolvers<T>();
  parts.promise.catch(() => undefined);
  return parts;
}
