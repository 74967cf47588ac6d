/** The VMCS of a recorded exit, asked of the engine whenever another one is chosen. */
import { type Ref, shallowRef, watch } from 'vue';
import { said } from '../texts/failure.ts';
import { type ChosenExit, useInspector } from './inspector.ts';
import type { Vmcs } from './vmcs-rows.ts';

type Which = Pick<ChosenExit, 'vcpu' | 'nanoseconds'>;

export function useExitVmcs(chosen: Readonly<Ref<Which | undefined>>) {
  const { client } = useInspector();
  const vmcs = shallowRef<Vmcs>();
  const problem = shallowRef('');
  watch(
    chosen,
    async (which) => {
      if (which === undefined) {
        vmcs.value = undefined;
        return;
      }
      const { vcpu, nanoseconds } = which;
      const answer = await client.machineExitVmcs({ vcpu, nanoseconds }).catch((failure: unknown) => failure as Error);
      // Somebody who holds an arrow key down has chosen others meanwhile.
      if (chosen.value?.nanoseconds !== nanoseconds || chosen.value.vcpu !== vcpu) return;
      problem.value = answer instanceof Error ? said(answer) : '';
      vmcs.value = answer instanceof Error ? undefined : answer;
    },
    { immediate: true },
  );
  return { vmcs, problem };
}
