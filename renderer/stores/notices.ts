/** What a person should know now: failures as sentences, and what can be undone. */
import { defineStore } from 'pinia';
import { ref } from 'vue';
import { EngineError } from '../../engine/contract/errors.ts';
import { said } from '../texts/failure.ts';

export interface Notice {
  readonly id: number;
  readonly kind: 'error' | 'done';
  readonly text: string;
  /** Label and act of the one thing to do about it. */
  readonly action?: { readonly label: string; run(): void };
}

const SHOWN_MILLISECONDS = 8000;

export const useNotices = defineStore('notices', () => {
  const notices = ref<Notice[]>([]);
  let next = 1;
  const dismiss = (id: number): void => {
    notices.value = notices.value.filter((notice) => notice.id !== id);
  };
  const show = (notice: Omit<Notice, 'id'>): void => {
    const id = next++;
    notices.value = [...notices.value, { ...notice, id }];
    // An error stays until it was read.
    if (notice.kind === 'done') setTimeout(() => dismiss(id), SHOWN_MILLISECONDS);
  };
  /** Run something that may fail; the failure becomes a notice. True when it succeeded. */
  const attempt = async (act: () => Promise<unknown>): Promise<boolean> => {
    try {
      await act();
      return true;
    } catch (failure) {
      // Who cancelled something knows it.
      if (!(failure instanceof EngineError && failure.code === 'job-cancelled')) show({ kind: 'error', text: said(failure) });
      return false;
    }
  };
  return { notices, show, dismiss, attempt };
});
