/** Which running machines stand still: their engines tell, whoever paused them. */
import { defineStore } from 'pinia';
import { ref, watch } from 'vue';
import { engine, onServerEvent } from '../client/session.ts';
import { useLibrary } from './library.ts';

/** An engine that has just started may not answer yet. */
const RETRY_MILLISECONDS = 1000;

export const usePaused = defineStore('paused', () => {
  const library = useLibrary();
  const names = ref(new Set<string>());
  /** Machines whose engines tell us, by the processes they run in. */
  const told = new Map<string, number>();

  async function subscribe(name: string, pid: number): Promise<void> {
    if (library.byName.get(name)?.pid !== pid) return;
    try {
      await engine(name).eventsSubscribe({ events: ['machine-stopped'] });
    } catch {
      setTimeout(() => void subscribe(name, pid), RETRY_MILLISECONDS);
    }
  }
  onServerEvent(({ event, from, data }) => {
    if (event !== 'machine-stopped' || from === undefined) return;
    if (data['stopped'] === undefined) names.value.delete(from);
    else names.value.add(from);
  });
  watch(
    () => library.machines,
    (machines) => {
      const running = new Map(machines.flatMap(({ name, pid }) => (pid === undefined ? [] : [[name, pid] as const])));
      for (const name of told.keys()) {
        if (running.get(name) === told.get(name)) continue;
        told.delete(name);
        names.value.delete(name);
      }
      for (const [name, pid] of running) {
        if (told.has(name)) continue;
        told.set(name, pid);
        void subscribe(name, pid);
      }
    },
    { immediate: true },
  );
  return { names };
});
