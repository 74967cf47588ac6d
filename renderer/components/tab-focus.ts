/** The keyboard between the tabs of a machine and what they show: a guest takes it only from who wants that, and gives it back there. */

/** Whether somebody walks along tabs by keys: then what a tab shows leaves the keyboard alone. */
export const walksAlongTabs = (): boolean => document.activeElement?.matches('[role="tab"]:focus-visible') ?? false;

/** Lead the keyboard back to the tab that is shown. */
export function backToTabs(): void {
  if (document.fullscreenElement === null) document.querySelector<HTMLElement>('[role="tab"][aria-selected="true"]')?.focus();
}
