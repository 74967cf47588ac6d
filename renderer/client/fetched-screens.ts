/** Screens in web mode: a response that goes on as long as the machine runs. A WebSocket would carry a tenth of this. */
import { ScreenRecordCutter } from '../../engine/contract/screen-record.ts';
import type { ScreenSource } from './screens.ts';

/** Bytes taken at once: a good part of a large picture. */
const ROOM = 2 << 20;

export function fetchedScreens(token: string): ScreenSource {
  return {
    open: (machine, onRecord, onEnd) => {
      const abort = new AbortController();
      const run = async (): Promise<void> => {
        const headers = { authorization: `Bearer ${token}` };
        const response = await fetch(`/machine/${encodeURIComponent(machine)}/screen`, { headers, signal: abort.signal });
        if (!response.ok || response.body === null) return;
        const cutter = new ScreenRecordCutter(onRecord);
        const reader = response.body.getReader({ mode: 'byob' });
        let room = new ArrayBuffer(ROOM);
        for (;;) {
          const { done, value } = await reader.read(new Uint8Array(room));
          if (done) return;
          cutter.push(value);
          room = value.buffer;
        }
      };
      void run()
        .catch(() => undefined)
        .then(() => {
          if (!abort.signal.aborted) onEnd();
        });
      return () => abort.abort();
    },
  };
}
