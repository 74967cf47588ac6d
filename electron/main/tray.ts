/** The icon beside the clock: a way back to the windows, and to each machine that runs. */
import type { MenuItemConstructorOptions } from 'electron';

export interface TrayActs {
  /** A window with the library, or with one machine. */
  show(machine?: string): void;
  quit(): void;
}

/** Its menu while these machines run. */
export function trayTemplate(running: readonly string[], { show, quit }: TrayActs): MenuItemConstructorOptions[] {
  const separator = { type: 'separator' } as const;
  return [
    { label: 'Show Rootmode', click: () => show() },
    separator,
    ...(running.length === 0 ? [{ label: 'No machine runs', enabled: false }] : []),
    ...running.map((name) => ({ label: name, click: () => show(name) })),
    separator,
    { label: 'Quit', click: quit },
  ];
}
