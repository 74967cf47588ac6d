/** Everything that takes long, whoever began it: jobs of the manager, and files that this window hands over. */
import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import { maximumPieceBytes } from '../../engine/contract/image-commands.ts';
import { Job, type JobKind } from '../../engine/contract/job-commands.ts';
import { connection, manager, onServerEvent } from '../client/session.ts';
import { said, saidOf } from '../texts/failure.ts';
import { useNotices } from './notices.ts';

export interface Transfer {
  readonly id: string;
  readonly kind: JobKind | 'upload';
  readonly title: string;
  readonly state: Job['state'];
  readonly done: number;
  readonly total: number | undefined;
  /** Bytes each second lately; 0 while nobody knows. */
  readonly rate: number;
  readonly problem: string | undefined;
  readonly path: string | undefined;
  cancel(): void;
}

/** Pieces that may be on their way at once. */
const IN_FLIGHT = 8;
/** Between two looks at the speed, in milliseconds: shorter ones say more of the disk's cache than of the work. */
const SPEED_MILLISECONDS = 400;

/** How fast something gets on, from what is told of it. */
export class Speed {
  rate = 0;
  #before: { readonly at: number; readonly done: number } | undefined;

  /** Bytes each second lately, smoothed; `at` in milliseconds. */
  at(at: number, done: number): number {
    const before = this.#before;
    if (before !== undefined && at - before.at < SPEED_MILLISECONDS) return this.rate;
    this.#before = { at, done };
    if (before !== undefined && done >= before.done) {
      const now = ((done - before.done) * 1000) / (at - before.at);
      this.rate = this.rate === 0 ? now : this.rate * 0.6 + now * 0.4;
    }
    return this.rate;
  }
}

/** Seconds until the end, or `undefined` while nobody can say. */
export function secondsLeft({ done, total, rate }: Pick<Transfer, 'done' | 'total' | 'rate'>): number | undefined {
  return total === undefined || rate < 1 ? undefined : Math.ceil(Math.max(0, total - done) / rate);
}

/** What a person wants to see when it is over: the others end where they were begun. */
const TOLD: readonly Transfer['kind'][] = ['download', 'upload'];

export function imageNameOf(file: string): string {
  const name = file
    .replaceAll(/[^A-Za-z0-9._+-]+/g, '-')
    .replace(/^[^A-Za-z0-9_]+/, '')
    .slice(0, 128);
  return name === '' ? 'image' : name;
}

async function base64Of(blob: Blob): Promise<string> {
  return btoa(String.fromCharCode(...new Uint8Array(await blob.arrayBuffer())));
}

export const useTransfers = defineStore('transfers', () => {
  const notices = useNotices();
  const jobs = shallowRef<ReadonlyMap<number, Job & { readonly rate: number }>>(new Map());
  const uploads = ref<Transfer[]>([]);
  const speeds = new Map<string, Speed>();
  /** Raised with each one that ends well: lists that show results look again. */
  const finished = ref(0);

  const speedOf = (id: string, done: number): number => {
    const speed = speeds.get(id) ?? new Speed();
    speeds.set(id, speed);
    return speed.at(performance.now(), done);
  };

  function take(job: Job): void {
    const next = new Map(jobs.value);
    const running = job.state === 'running';
    if (running) next.set(job.job, { ...job, rate: speedOf(`job ${job.job}`, job.done) });
    else speeds.delete(`job ${job.job}`);
    // What ended before this window looked is old news.
    if (!running && jobs.value.has(job.job)) {
      if (job.state === 'done') finished.value++;
      if (TOLD.includes(job.kind) && job.state !== 'cancelled') next.set(job.job, { ...job, rate: 0 });
      else next.delete(job.job);
    }
    jobs.value = next;
  }
  onServerEvent(({ event, from, data }) => {
    if (event !== 'job-changed' || from !== undefined) return;
    const parsed = Job.safeParse(data);
    if (parsed.success) take(parsed.data);
  });
  watch(
    connection,
    async (state) => {
      if (state !== 'open') return;
      // A manager that was started again numbers its jobs from the beginning.
      jobs.value = new Map();
      speeds.clear();
      try {
        for (const job of (await manager.jobList({})).jobs.toReversed()) take(job);
      } catch {
        // The connection is lost again; whoever comes back looks again.
      }
    },
    { immediate: true },
  );

  async function download(wanted: { url: string; name: string; sha256?: string }): Promise<boolean> {
    return notices.attempt(() => manager.imageDownload(wanted));
  }

  /** Hand a file to the library; its path there, or `undefined` when that failed or was given up. */
  async function upload(file: File): Promise<string | undefined> {
    const name = imageNameOf(file.name);
    const id = `upload ${name} ${performance.now()}`;
    let given = false;
    const change = (to: Partial<Transfer>): void => {
      uploads.value = uploads.value.map((one) => (one.id === id ? { ...one, ...to } : one));
    };
    const cancel = (): void => {
      given = true;
    };
    const start: Transfer = {
      ...{ id, kind: 'upload', title: file.name, state: 'running', done: 0, total: file.size, rate: 0 },
      ...{ problem: undefined, path: undefined, cancel },
    };
    uploads.value = [start, ...uploads.value];
    let number: number | undefined;
    try {
      number = (await manager.imageUpload({ name, bytes: file.size })).upload;
      let path: string | undefined;
      const flight: Promise<unknown>[] = [];
      for (let at = 0; at < file.size || at === 0; at += maximumPieceBytes) {
        if (given) break;
        const bytes = await base64Of(file.slice(at, at + maximumPieceBytes));
        const piece = manager.imageUploadPiece({ upload: number, bytes }).then((answer) => {
          path = answer.path ?? path;
          change({ done: answer.received, rate: speedOf(id, answer.received) });
        });
        piece.catch(() => undefined);
        flight.push(piece);
        if (flight.length >= IN_FLIGHT) await flight.shift();
      }
      await Promise.all(flight);
      if (given) {
        await manager.imageUploadCancel({ upload: number });
        dismiss(id);
        return undefined;
      }
      change({ state: 'done', path });
      finished.value++;
      return path;
    } catch (failure) {
      change({ state: 'failed', problem: said(failure) });
      if (number !== undefined) await manager.imageUploadCancel({ upload: number }).catch(() => undefined);
      return undefined;
    }
  }

  const transfers = computed<readonly Transfer[]>(() => [
    ...uploads.value,
    ...[...jobs.value.values()].reverse().map(({ job, kind, title, state, done, total, problem, failure, path, rate }) => ({
      ...{ id: `job ${job}`, kind, title, state, done, total, problem: problem && saidOf({ failure, problem }), path, rate },
      cancel: () => void notices.attempt(() => manager.jobCancel({ job })),
    })),
  ]);
  function dismiss(id: string): void {
    uploads.value = uploads.value.filter((one) => one.id !== id);
    jobs.value = new Map([...jobs.value].filter(([job]) => `job ${job}` !== id));
  }
  /** Those of a kind that are over: what they brought has been used. */
  function dismissAll(kind: Transfer['kind']): void {
    for (const one of transfers.value) if (one.kind === kind && one.state === 'done') dismiss(one.id);
  }
  return { transfers, finished, download, upload, dismiss, dismissAll };
});
