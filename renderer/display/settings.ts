/** What a person chose about screens, kept by this browser. */
import { ref, watch } from 'vue';
import { type HostKey, hostKeys } from './host-key.ts';
import { type Scale, scales } from './layout.ts';

function kept<T extends string>(key: string, allowed: readonly T[], otherwise: T) {
  const value = ref(allowed.find((one) => one === localStorage.getItem(key)) ?? otherwise);
  watch(value, (now) => localStorage.setItem(key, now));
  return value;
}

export const scale = kept<Scale>('display.scale', scales, 'fit');
export const hostKey = kept<HostKey>('display.hostKey', hostKeys, 'ControlRight');

/** Combinations of keys of a person's own, as `machine-key` takes them. */
export const ownKeys = ref<readonly string[]>(readOwnKeys());
watch(ownKeys, (now) => localStorage.setItem('display.keys', JSON.stringify(now)));

function readOwnKeys(): string[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem('display.keys') ?? '[]');
    return Array.isArray(found) ? found.filter((one): one is string => typeof one === 'string').slice(0, 32) : [];
  } catch {
    return [];
  }
}
