/** Panels in windows of their own: they stay part of this page, which fills them, tells them its theme and hears their keys. */
import type { DockviewApi, IDockviewPanel } from 'dockview-vue';
import { onUnmounted, watch } from 'vue';
import { onKey } from '../frame/commands.ts';
import { theme } from '../frame/preferences.ts';

/** An empty page of ours (renderer/public). */
const PAGE = './popout.html';

export function usePopouts() {
  const windows = new Set<Window>();
  const dress = ({ document: { documentElement: root } }: Window): void => {
    root.dataset['theme'] = theme.value;
    root.lang = document.documentElement.lang;
  };
  const end = watch(theme, () => windows.forEach(dress));
  onUnmounted(() => {
    end();
    for (const window of windows) window.close();
  });

  /** Move a panel out. Closing its window brings it back. False when the browser opens no window. */
  async function popOut(api: DockviewApi, panel: IDockviewPanel): Promise<boolean> {
    return api.addPopoutGroup(panel, {
      popoutUrl: PAGE,
      onDidOpen: ({ window }) => {
        windows.add(window);
        window.addEventListener('load', () => {
          dress(window);
          // Panels look the same wherever they are.
          window.document.body.classList.add('inspector');
          window.addEventListener('keydown', onKey);
          // After dockview, which gives it the title of this page.
          setTimeout(() => {
            window.document.title = `${panel.title} – ${document.title}`;
          });
        });
      },
      onWillClose: ({ window }) => void windows.delete(window),
    });
  }
  return { popOut };
}
