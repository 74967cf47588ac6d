/** The long work of a manager: told of as it goes on, ended when somebody asks. What a job began it takes back itself when it is aborted. */
import { EngineError } from '../contract/errors.ts';
import { failureOf } from '../contract/failure.ts';
import { isImageKind, type Job } from '../contract/job-commands.ts';

const MOST_RUNNING = 4;
/** Jobs that are over and still told of. */
const MOST_KEPT = 20;
/** Between two tellings of a job that goes on, in milliseconds. */
const TELL = 200;

/** What the work of a job knows of its job. */
export interface Work {
  /** Aborted when the job is cancelled: the work then undoes what it did, and rejects. */
  readonly signal: AbortSignal;
  /** How far it is, in bytes. */
  report(now: { readonly done?: number; readonly total?: number; readonly resumed?: number }): void;
}

/** Work that nobody watches or cancels. */
export const unwatched: Work = { signal: new AbortController().signal, report: () => undefined };

export interface Begun<T> {
  readonly job: number;
  /** Rejects with `job-cancelled` when it was cancelled, otherwise with what the work failed of. */
  readonly end: Promise<T>;
}

interface Running {
  job: Job;
  readonly abort: AbortController;
  telling: NodeJS.Timeout | undefined;
  end: Promise<unknown>;
}

export class Jobs {
  readonly #jobs = new Map<number, Running>();
  readonly #tell: (job: Job) => void;
  #next = 1;

  /** `tell` hears of every job that begins, a few times a second how far it is, and of its end. */
  constructor(tell: (job: Job) => void = () => undefined) {
    this.#tell = tell;
  }

  /** The newest first. */
  list(): Job[] {
    return [...this.#jobs.values()].map(({ job }) => job).reverse();
  }

  /** Does a job make the image `title`, in whichever way? */
  makesImage(title: string): boolean {
    return this.list().some((job) => job.state === 'running' && isImageKind(job.kind) && job.title === title);
  }

  /** Begin. `found`: what is told of the job's result. Fails with `job-limit`. */
  begin<T>(
    what: Pick<Job, 'kind' | 'title'>,
    work: (work: Work) => Promise<T>,
    found: (result: T) => Pick<Job, 'path' | 'sha256'> = () => ({}),
  ): Begun<T> {
    if (this.list().filter(({ state }) => state === 'running').length >= MOST_RUNNING) {
      throw new EngineError('job-limit', { maximum: MOST_RUNNING });
    }
    const id = this.#next++;
    const one: Running = {
      abort: new AbortController(),
      job: { job: id, ...what, state: 'running', done: 0, resumed: 0 },
      telling: undefined,
      end: Promise.resolve(),
    };
    this.#jobs.set(id, one);
    this.#forgetOld();
    this.#tell(one.job);
    const end = this.#run(one, work, found);
    end.catch(() => undefined);
    one.end = end;
    return { job: id, end };
  }

  /** Fails with `job-unknown`. */
  cancel(id: number): void {
    const one = this.#jobs.get(id);
    if (one === undefined) throw new EngineError('job-unknown', { job: id });
    one.abort.abort();
  }

  cancelAll(): void {
    for (const { abort } of this.#jobs.values()) abort.abort();
  }

  /** Cancel everything, and wait until all of it is undone. */
  async close(): Promise<void> {
    this.cancelAll();
    await Promise.allSettled([...this.#jobs.values()].map(({ end }) => end));
  }

  async #run<T>(one: Running, work: (work: Work) => Promise<T>, found: (result: T) => Pick<Job, 'path' | 'sha256'>): Promise<T> {
    const { signal } = one.abort;
    try {
      const result = await work({ signal, report: (now) => this.#report(one, now) });
      this.#end(one, { state: 'done', ...found(result) });
      return result;
    } catch (failure) {
      if (signal.aborted) {
        this.#end(one, { state: 'cancelled' });
        throw new EngineError('job-cancelled', { title: one.job.title }, { cause: failure });
      }
      const parts = failure instanceof EngineError ? { failure: failureOf(failure) } : {};
      this.#end(one, { state: 'failed', problem: failure instanceof Error ? failure.message : String(failure), ...parts });
      throw failure;
    }
  }

  #report(one: Running, now: { readonly done?: number; readonly total?: number; readonly resumed?: number }): void {
    if (one.job.state !== 'running') return;
    one.job = { ...one.job, ...now };
    one.telling ??= setTimeout(() => {
      one.telling = undefined;
      this.#tell(one.job);
    }, TELL);
  }

  #end(one: Running, change: Partial<Job>): void {
    clearTimeout(one.telling);
    one.job = { ...one.job, ...change };
    this.#tell(one.job);
  }

  #forgetOld(): void {
    const over = [...this.#jobs].filter(([, { job }]) => job.state !== 'running');
    for (const [id] of over.slice(0, Math.max(0, over.length - MOST_KEPT))) this.#jobs.delete(id);
  }
}
