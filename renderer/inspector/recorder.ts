/** Records exits of a machine into a log, for as long as somebody wants. */
import { onUnmounted, ref, shallowRef, triggerRef } from 'vue';
import { said } from '../texts/failure.ts';
import { ExitLog, recordedFields } from './exit-log.ts';
import type { EngineClient } from './inspector.ts';

const BATCH = 10_000;
/** How long a read waits for the first exit, and how long it is left alone afterwards, so that exits come in portions. */
const WAIT_MILLISECONDS = 400;
const REST_MILLISECONDS = 100;

export function useRecorder(client: EngineClient) {
  const log = shallowRef(new ExitLog());
  const recording = ref(false);
  /** Exits that came too fast to be told. */
  const dropped = ref(0);
  const problem = ref('');
  let trace = 0;
  let gone = false;

  async function follow(mine: number): Promise<void> {
    while (recording.value && trace === mine && !gone) {
      const { events, dropped: lost } = await client.machineTraceRead({
        trace: mine,
        limit: BATCH,
        waitMilliseconds: WAIT_MILLISECONDS,
      });
      dropped.value += lost;
      if (events.length > 0) {
        log.value.add(events);
        triggerRef(log);
      }
      await new Promise((resolve) => setTimeout(resolve, REST_MILLISECONDS));
    }
  }

  /** `where` chooses exits, as for traces; empty: all of them. `vmcs`: the engine keeps the VMCS of each. */
  async function start(where: string, vmcs: boolean): Promise<void> {
    problem.value = '';
    try {
      const wanted = where.trim();
      ({ trace } = await client.machineTraceStart({
        probes: ['exit'],
        fields: [...recordedFields],
        vmcs,
        ...(wanted !== '' && { where: wanted }),
      }));
      recording.value = true;
      await follow(trace);
    } catch (failure) {
      if (!gone) problem.value = said(failure);
      recording.value = false;
    }
  }

  async function stop(): Promise<void> {
    if (!recording.value) return;
    recording.value = false;
    await client.machineTraceStop({ trace }).catch(() => undefined);
  }

  function clear(): void {
    log.value.clear();
    dropped.value = 0;
    triggerRef(log);
  }

  onUnmounted(() => {
    gone = true;
    void stop();
  });
  return { log, recording, dropped, problem, start, stop, clear };
}
