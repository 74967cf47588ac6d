/** The panels of the inspector, and ways to lay them out. */
import type { DockviewApi, SerializedDockview } from 'dockview-vue';

export const panels = ['vmcs', 'checks', 'registers', 'disassembly', 'memory', 'walk', 'exits', 'stops', 'interrupts'] as const;
export type PanelId = (typeof panels)[number];

/** By the keys Ctrl+1, Ctrl+2 and so on. */
export const layouts = ['hypervisor', 'debug', 'exits', 'memory'] as const;
export type LayoutId = (typeof layouts)[number];

interface Place {
  readonly panel: PanelId;
  readonly beside?: PanelId;
  readonly direction?: 'right' | 'below' | 'within';
  /** Pixels of the new group, across the direction. */
  readonly size?: number;
}

const PLACES: Readonly<Record<LayoutId, readonly Place[]>> = {
  hypervisor: [
    { panel: 'vmcs' },
    { panel: 'registers', beside: 'vmcs', direction: 'right', size: 330 },
    { panel: 'exits', beside: 'vmcs', direction: 'below', size: 380 },
    { panel: 'checks', beside: 'vmcs', direction: 'within' },
    { panel: 'walk', beside: 'exits', direction: 'within' },
    { panel: 'stops', beside: 'exits', direction: 'within' },
    { panel: 'interrupts', beside: 'registers', direction: 'within' },
  ],
  debug: [
    { panel: 'disassembly' },
    { panel: 'registers', beside: 'disassembly', direction: 'right', size: 330 },
    { panel: 'memory', beside: 'disassembly', direction: 'below', size: 300 },
    { panel: 'stops', beside: 'memory', direction: 'within' },
    { panel: 'vmcs', beside: 'disassembly', direction: 'within' },
  ],
  exits: [
    { panel: 'exits' },
    { panel: 'vmcs', beside: 'exits', direction: 'below', size: 280 },
    { panel: 'registers', beside: 'vmcs', direction: 'right', size: 330 },
  ],
  memory: [
    { panel: 'memory' },
    { panel: 'walk', beside: 'memory', direction: 'below', size: 340 },
    { panel: 'registers', beside: 'memory', direction: 'right', size: 330 },
  ],
};

/** Of the whole, what a panel beside the first one takes at most. */
const LARGEST_SHARE = 0.45;

export function applyLayout(api: DockviewApi, layout: LayoutId, title: (panel: PanelId) => string): void {
  api.clear();
  // In a small window the first panel keeps the larger part.
  const within = (size: number, whole: number): number => Math.min(size, Math.round(whole * LARGEST_SHARE));
  for (const { panel, beside, direction = 'right', size } of PLACES[layout]) {
    api.addPanel({
      id: panel,
      component: panel,
      title: title(panel),
      ...(direction === 'right' && size !== undefined && { initialWidth: within(size, api.width) }),
      ...(direction === 'below' && size !== undefined && { initialHeight: within(size, api.height) }),
      ...(beside !== undefined && { position: { referencePanel: beside, direction } }),
      ...(direction === 'within' && { inactive: true }),
    });
  }
  api.getPanel(PLACES[layout][0]?.panel ?? 'vmcs')?.api.setActive();
}

const key = (machine: string): string => `inspector-layout ${machine}`;

export function saveLayout(api: DockviewApi, machine: string): void {
  localStorage.setItem(key(machine), JSON.stringify(api.toJSON()));
}

/** False when there is none that can be used. */
export function restoreLayout(api: DockviewApi, machine: string): boolean {
  const kept = localStorage.getItem(key(machine));
  if (kept === null) return false;
  try {
    const layout = JSON.parse(kept) as SerializedDockview;
    if (!Object.keys(layout.panels).every((id) => (panels as readonly string[]).includes(id))) return false;
    api.fromJSON(layout);
    return Object.keys(layout.panels).length > 0;
  } catch {
    api.clear();
    return false;
  }
}
