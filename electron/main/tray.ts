/** The icon beside the clock: a way back to the windows, and to each machine that runs. */
import type { MenuItemConstructorOptions } from 'electron';
import type { ShellTexts } from './texts.ts';

export interface TrayActs {
  /** A window with the library, or with one machine. */
  show(machine?: string): void;
  quit(): void;
}

/** Its menu while these machines run. */
export function trayTemplate(
  text: ShellTexts['tray'],
  running: readonly string[],
  { show, quit }: TrayActs,
): MenuItemConstructorOptions[] {
  const separator = { type: 'separator' } as const;
  return [
    { label: text.show, click: () => show() },
    separator,
    ...(running.length === 0 ? [{ label: text.none, enabled: false }] : []),
    ...running.map((name) => ({ label: name, click: () => show(name) })),
    separator,
    { label: text.quit, click: quit },
  ];
}
