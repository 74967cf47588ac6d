/** A long list that appears from its beginning: the first screenful at once, the rest while frames are drawn in between. */
import { onUnmounted, type Ref, ref, watch } from 'vue';

/** More than the largest window shows at once. */
const FIRST = 30;
const STEP = 40;

/** How many of `total` to show now. Starts again only when there is more to show than has been. */
export function useGradually(total: () => number): Readonly<Ref<number>> {
  const count = ref(FIRST);
  let waiting = 0;
  const more = (): void => {
    waiting = 0;
    count.value += STEP;
    goOn();
  };
  const goOn = (): void => {
    if (waiting === 0 && count.value < total()) waiting = requestAnimationFrame(more);
  };
  watch(total, goOn, { immediate: true });
  onUnmounted(() => cancelAnimationFrame(waiting));
  return count;
}
