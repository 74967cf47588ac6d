/** What the host offers, asked once for each window: it does not change while it is looked at. */
import { ref, shallowRef } from 'vue';
import type { HostCapabilities } from '../../engine/contract/capabilities.ts';
import { manager } from '../client/session.ts';
import { said } from '../texts/failure.ts';

export const host = shallowRef<HostCapabilities>();
export const hostProblem = ref('');

export async function loadHost(): Promise<void> {
  if (host.value !== undefined) return;
  try {
    host.value = await manager.hostCapabilities({});
    hostProblem.value = '';
  } catch (failure) {
    hostProblem.value = said(failure);
  }
}
