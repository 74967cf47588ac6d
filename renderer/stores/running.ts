/** What a running machine tells about itself, asked again every half second while somebody looks. */
import { onUnmounted, shallowRef } from 'vue';
import type { ResultOf } from '../../engine/contract/command.ts';
import type { machineStatus } from '../../engine/contract/commands.ts';
import { engine } from '../client/session.ts';

const PERIOD_MILLISECONDS = 500;

export type MachineStatusNow = ResultOf<typeof machineStatus>;

/** Values are undefined while the machine does not answer. */
export function useRunning(name: string) {
  const status = shallowRef<MachineStatusNow>();
  /** Millions of instructions per second, all vCPUs together. */
  const mips = shallowRef<number>();
  const client = engine(name);
  let before: { at: number; instructions: number } | undefined;
  let stopped = false;

  const look = async (): Promise<void> => {
    try {
      const now = await client.machineStatus({});
      const instructions = now.vcpus.reduce((sum, vcpu) => sum + vcpu.instructions, 0);
      const at = performance.now();
      if (before !== undefined && at > before.at) {
        mips.value = Math.max(0, (instructions - before.instructions) / (at - before.at) / 1000);
      }
      before = { at, instructions };
      status.value = now;
    } catch {
      status.value = undefined;
      mips.value = undefined;
      before = undefined;
    }
    if (!stopped) setTimeout(() => void look(), PERIOD_MILLISECONDS);
  };
  void look();
  onUnmounted(() => {
    stopped = true;
  });
  return { client, status, mips };
}
