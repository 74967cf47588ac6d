/** The images of the library, as every screen that shows them has them. */
import { defineStore } from 'pinia';
import { computed, shallowRef, watch } from 'vue';
import type { ResultOf } from '../../engine/contract/command.ts';
import type { FileKind, Image, imageList } from '../../engine/contract/image-commands.ts';
import { manager } from '../client/session.ts';
import { useLibrary } from '../stores/library.ts';
import { useNotices } from '../stores/notices.ts';
import { useTransfers } from '../stores/transfers.ts';

export const useGallery = defineStore('gallery', () => {
  const notices = useNotices();
  const transfers = useTransfers();
  const library = useLibrary();
  const list = shallowRef<ResultOf<typeof imageList>>();
  const refresh = (): Promise<boolean> =>
    notices.attempt(async () => {
      list.value = await manager.imageList({});
    });
  watch([() => transfers.finished, () => transfers.transfers.length, () => library.machines], () => {
    if (list.value !== undefined) void refresh();
  });
  const images = computed<readonly Image[]>(() => list.value?.images ?? []);
  return { list, images, refresh };
});

/** Those of these kinds whose names have all words, the newest first. */
export function found(
  images: readonly Image[],
  { kinds, words }: { kinds?: readonly FileKind[] | undefined; words: string },
): Image[] {
  const all = words.toLowerCase().split(/\s+/).filter(Boolean);
  return images
    .filter(({ kind, name }) => (kinds?.includes(kind) ?? true) && all.every((word) => name.toLowerCase().includes(word)))
    .sort((a, b) => b.modified.localeCompare(a.modified) || a.name.localeCompare(b.name));
}
