/** What is on its way into the library: files a person dropped, and downloads of the manager. */
import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import { type Job, maximumPieceBytes } from '../../engine/contract/image-commands.ts';
import { manager } from '../client/session.ts';
import { useNotices } from './notices.ts';

export interface Transfer {
  readonly id: string;
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

const LOOK_MILLISECONDS = 500;
/** Pieces that may be on their way at once. */
const IN_FLIGHT = 8;

/** Rate from two looks, smoothed. */
function smoothed(before: number, now: number): number {
  return before === 0 ? now : before * 0.7 + now * 0.3;
}

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
  const jobs = shallowRef<readonly Job[]>([]);
  const uploads = ref<Transfer[]>([]);
  const rates = new Map<number, { done: number; at: number; rate: number }>();
  let looking = false;
  let again = false;

  /** Follow the manager's jobs until none runs. */
  async function look(): Promise<void> {
    // Somebody who knows of a new job while the list is old: it is read once more.
    again = true;
    if (looking) return;
    looking = true;
    try {
      do {
        again = false;
        jobs.value = (await manager.jobList({})).jobs;
        const at = performance.now();
        for (const { job, done } of jobs.value) {
          const before = rates.get(job);
          const seconds = (at - (before?.at ?? at)) / 1000;
          const rate = before === undefined || seconds <= 0 ? 0 : smoothed(before.rate, (done - before.done) / seconds);
          rates.set(job, { done, at, rate });
        }
        await new Promise((resolve) => setTimeout(resolve, LOOK_MILLISECONDS));
      } while (again || jobs.value.some(({ state }) => state === 'running'));
    } catch {
      // The connection is lost; whoever comes back looks again.
    } finally {
      looking = false;
    }
  }

  async function download(wanted: { url: string; name: string; sha256?: string }): Promise<boolean> {
    const started = await notices.attempt(() => manager.imageDownload(wanted));
    if (started) void look();
    return started;
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
      id,
      title: file.name,
      state: 'running',
      done: 0,
      total: file.size,
      rate: 0,
      problem: undefined,
      path: undefined,
      cancel,
    };
    uploads.value = [start, ...uploads.value];
    let number: number | undefined;
    try {
      number = (await manager.imageUpload({ name, bytes: file.size })).upload;
      const began = performance.now();
      let path: string | undefined;
      const flight: Promise<unknown>[] = [];
      for (let at = 0; at < file.size || at === 0; at += maximumPieceBytes) {
        if (given) break;
        const bytes = await base64Of(file.slice(at, at + maximumPieceBytes));
        const piece = manager.imageUploadPiece({ upload: number, bytes }).then((answer) => {
          path = answer.path ?? path;
          change({ done: answer.received, rate: answer.received / ((performance.now() - began) / 1000) });
        });
        piece.catch(() => undefined);
        flight.push(piece);
        if (flight.length >= IN_FLIGHT) await flight.shift();
      }
      await Promise.all(flight);
      if (given) await manager.imageUploadCancel({ upload: number });
      change({ state: given ? 'cancelled' : 'done', path });
      return path;
    } catch (failure) {
      const problem = failure instanceof Error ? failure.message : String(failure);
      change({ state: 'failed', problem });
      notices.show({ kind: 'error', text: problem });
      if (number !== undefined) await manager.imageUploadCancel({ upload: number }).catch(() => undefined);
      return undefined;
    }
  }

  const transfers = computed<readonly Transfer[]>(() => [
    ...uploads.value,
    ...jobs.value.map(({ job, title, state, done, total, problem, path }) => ({
      ...{ id: `job ${job}`, title, state, done, total, problem, path, rate: rates.get(job)?.rate ?? 0 },
      cancel: () => void notices.attempt(() => manager.jobCancel({ job })),
    })),
  ]);
  return { transfers, look, download, upload };
});
