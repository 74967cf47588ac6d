/** What the panels of one machine's inspector share: which vCPU is looked at, when to look, and the machine's own state. */

import type { DockviewPanelApi } from 'dockview-vue';
import { computed, type InjectionKey, inject, onUnmounted, ref, type ShallowRef, shallowRef, watch } from 'vue';
import type { ResultOf } from '../../engine/contract/command.ts';
import type { stopList } from '../../engine/contract/debug-commands.ts';
import { type engine, onServerEvent } from '../client/session.ts';
import { useNotices } from '../stores/notices.ts';
import { useRunning } from '../stores/running.ts';
import { said } from '../texts/failure.ts';

/** How often panels look while the machine runs, in milliseconds. */
const PERIOD_MILLISECONDS = 500;

type Look = () => void;

export function createInspector(name: string) {
  const { client, status } = useRunning(name);
  const vcpu = ref(0);
  /** Panels look again and again; off, they keep what they show. */
  const live = ref(true);
  const looks = new Set<Look>();
  const lookNow = (): void => {
    for (const look of looks) look();
  };
  const notices = useNotices();
  const stops = shallowRef<StopList['stops']>([]);
  /** Why it stands still, while it does. */
  const stopped = shallowRef<StopList['stopped']>();
  async function lookAtStops(): Promise<void> {
    try {
      ({ stops: stops.value, stopped: stopped.value } = await client.stopList({}));
    } catch {
      stops.value = [];
      stopped.value = undefined;
    }
  }
  /** First whether it stands still, then where: no panel shows a stop at which stepping is not offered yet. */
  const lookAtAll = async (): Promise<void> => {
    await lookAtStops();
    lookNow();
  };
  const timer = setInterval(() => {
    if (live.value && status.value !== undefined) void lookAtAll();
  }, PERIOD_MILLISECONDS);
  const endEvents = onServerEvent(({ event, from }) => {
    if (event === 'machine-stopped' && from === name) void lookAtAll();
  });
  watch(
    () => status.value?.pid,
    (pid) => {
      if (pid !== undefined) void client.eventsSubscribe({ events: ['machine-stopped'] }).catch(() => undefined);
    },
  );
  onUnmounted(() => {
    clearInterval(timer);
    endEvents();
  });
  /** Do something to the machine and show what became of it. False when it was refused; why is then said. */
  const attempt = async (act: () => Promise<unknown>): Promise<boolean> => {
    const done = await notices.attempt(act);
    await lookAtAll();
    return done;
  };
  /** The recorded exit whose VMCS is to be seen, and the one it is compared with. */
  const chosenExit = shallowRef<ChosenExit>();
  const markedExit = shallowRef<ChosenExit>();
  /** Grows whenever somebody asks to see that VMCS. */
  const vmcsWanted = ref(0);
  /** An address somebody wants to see the way of. */
  const wantedAddress = ref('');
  return {
    name,
    client,
    status,
    vcpu,
    live,
    lookNow,
    wantedAddress,
    chosenExit,
    markedExit,
    vmcsWanted,
    vcpus: computed(() => status.value?.vcpus.length ?? 1),
    stops,
    stopped,
    attempt,
    paused: computed(() => stopped.value !== undefined),
    onLook: (look: Look): (() => void) => {
      looks.add(look);
      return () => looks.delete(look);
    },
  };
}

export interface ChosenExit {
  readonly vcpu: number;
  /** Machine clock, by which the engine knows it. */
  readonly nanoseconds: number;
  readonly label: string;
  /** Moment of the exit of this vCPU before it, if that was recorded. */
  readonly before: number | undefined;
}

type StopList = ResultOf<typeof stopList>;

export type Inspector = ReturnType<typeof createInspector>;
export type EngineClient = ReturnType<typeof engine>;

export const INSPECTOR: InjectionKey<Inspector> = Symbol('inspector');

/** Moves the panel of this id into a window of its own. */
export const POP_OUT: InjectionKey<(panel: string) => void> = Symbol('pop out');

/** What dockview gives each panel. */
export interface PanelProps {
  readonly params: { readonly api: DockviewPanelApi };
}

export function useInspector(): Inspector {
  const inspector = inject(INSPECTOR);
  if (inspector === undefined) throw new Error('a panel stands in an inspector');
  return inspector;
}

export interface Looked<T> {
  readonly value: ShallowRef<T | undefined>;
  /** Why there is no value, or no newer one. */
  readonly problem: ShallowRef<string>;
  look(): Promise<void>;
}

/** Ask again and again while the panel can be seen. An answer that comes after the vCPU was changed is dropped. */
export function useLook<T>({ params }: PanelProps, ask: (vcpu: number) => Promise<T>): Looked<T> {
  const inspector = useInspector();
  const value = shallowRef<T>();
  const problem = shallowRef('');
  let asking: number | undefined;
  const look = async (): Promise<void> => {
    const vcpu = inspector.vcpu.value;
    if (asking === vcpu) return;
    asking = vcpu;
    try {
      const answer = await ask(vcpu);
      if (vcpu !== inspector.vcpu.value) return;
      value.value = answer;
      problem.value = '';
    } catch (failure) {
      problem.value = said(failure);
    } finally {
      if (asking === vcpu) asking = undefined;
    }
  };
  const end = inspector.onLook(() => {
    if (params.api.isVisible) void look();
  });
  const shown = params.api.onDidVisibilityChange(({ isVisible }) => {
    if (isVisible && inspector.status.value !== undefined) void look();
  });
  onUnmounted(() => {
    end();
    shown.dispose();
  });
  void look();
  return { value, problem, look };
}
