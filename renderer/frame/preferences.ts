/** What a person chose about this window; kept by the browser, on this computer. */
import { ref, watch } from 'vue';

/** A value that is remembered under `key`; what is not one of `choices` is the first of them. */
function remembered<const T extends string>(key: string, choices: readonly [T, ...T[]]) {
  const kept = localStorage.getItem(key);
  const value = ref<T>(choices.find((choice) => choice === kept) ?? choices[0]);
  watch(value, (now) => localStorage.setItem(key, now as string));
  return value;
}

export const themes = ['system', 'light', 'dark'] as const;
export const theme = remembered('theme', themes);
watch(
  theme,
  (now) => {
    document.documentElement.dataset['theme'] = now;
  },
  { immediate: true },
);

export const libraryLayouts = ['cards', 'list'] as const;
export const libraryLayout = remembered('library-layout', libraryLayouts);

export const sortOrders = ['name', 'state', 'created', 'memory'] as const;
export const sortOrder = remembered('library-sort', sortOrders);

export const radixes = ['hexadecimal', 'decimal'] as const;
/** How registers and fields are written. */
export const radix = remembered('radix', radixes);
