/** Tells whether elements are in view or near it: what only a person who sees it needs, is asked for then. */
import { onUnmounted, type Ref, ref, watch } from 'vue';

/** How near, so that scrolling finds it there already. */
const MARGIN = '200px';

const watched = new Map<Element, (seen: boolean) => void>();
let observer: IntersectionObserver | undefined;

function observe(element: Element, tell: (seen: boolean) => void): () => void {
  observer ??= new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) watched.get(target)?.(isIntersecting);
    },
    { rootMargin: MARGIN },
  );
  watched.set(element, tell);
  observer.observe(element);
  return () => {
    watched.delete(element);
    observer?.unobserve(element);
  };
}

export function useSeen(element: Readonly<Ref<Element | null>>): Readonly<Ref<boolean>> {
  const seen = ref(false);
  let end: () => void = () => undefined;
  const tell = (isSeen: boolean): void => {
    seen.value = isSeen;
  };
  watch(
    element,
    (now) => {
      end();
      seen.value = false;
      end = now === null ? () => undefined : observe(now, tell);
    },
    { immediate: true, flush: 'post' },
  );
  onUnmounted(() => end());
  return seen;
}
