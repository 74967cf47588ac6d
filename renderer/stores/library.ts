/** The machines of the library as the manager last told, asked again whenever it says that something changed. */
import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import type { MachineSummary } from '../../engine/contract/library-commands.ts';
import { connection, manager, onServerEvent } from '../client/session.ts';
import { useNotices } from './notices.ts';

export const useLibrary = defineStore('library', () => {
  const machines = shallowRef<readonly MachineSummary[]>([]);
  const folder = ref('');
  const loaded = ref(false);
  const notices = useNotices();

  const refresh = async (): Promise<void> => {
    const answer = await manager.libraryList({});
    machines.value = answer.machines;
    folder.value = answer.folder;
    loaded.value = true;
  };
  onServerEvent(({ event, from }) => {
    if (event === 'library-changed' && from === undefined) void notices.attempt(refresh);
  });
  watch(
    connection,
    (state) => {
      if (state === 'open') void notices.attempt(refresh);
    },
    { immediate: true },
  );

  const byName = computed(() => new Map(machines.value.map((machine) => [machine.name, machine])));
  return { machines, folder, loaded, byName, refresh };
});
