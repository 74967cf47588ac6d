/** Which screen the window shows: the fragment of its address, so that links, reloads and the back button work. */
import { computed, shallowRef } from 'vue';

export const screens = ['library', 'new', 'images', 'statistics', 'host', 'preferences'] as const;
export type Screen = (typeof screens)[number];

/** Tabs of a machine, in their order. */
export const machineTabs = ['display', 'console', 'monitor', 'inspector', 'statistics', 'settings', 'log'] as const;
export type MachineTab = (typeof machineTabs)[number];

export type Route =
  | { readonly screen: Screen }
  | { readonly screen: 'machine'; readonly name: string; readonly tab: MachineTab | undefined };

/** What no screen has is the library. */
export function parseRoute(hash: string): Route {
  const [, first = '', name = '', tab = ''] = hash.split(/[/?]/);
  if (first === 'machine' && /^[\w.-]+$/.test(name)) {
    return { screen: 'machine', name, tab: machineTabs.find((one) => one === tab) };
  }
  return { screen: screens.find((one) => one === first) ?? 'library' };
}

export const hash = shallowRef(location.hash);
addEventListener('hashchange', () => {
  hash.value = location.hash;
});

export const route = computed(() => parseRoute(hash.value));

export const screenLink = (screen: Screen): string => (screen === 'library' ? '#/' : `#/${screen}`);
export const machineLink = (name: string, tab?: MachineTab): string => `#/machine/${name}${tab === undefined ? '' : `/${tab}`}`;

export function go(link: string): void {
  location.hash = link;
}
