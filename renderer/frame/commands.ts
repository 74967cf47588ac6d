/**
 * Everything a person can do now, by name: the command palette lists it, and keys run it. Screens offer theirs while they are shown.
 */
import { computed, onUnmounted, shallowReactive } from 'vue';

export interface Command {
  /** Stays the same while the command is offered. */
  readonly id: string;
  readonly title: string;
  /** What it concerns: a group of the palette. */
  readonly group?: string;
  /** Chords such as `Ctrl+K`, `F5`, `Shift+F11`; any of them runs it. */
  readonly keys?: readonly string[];
  /** False: shown nowhere, and its keys do nothing. */
  readonly enabled?: boolean;
  /** Not listed: it is at hand wherever the list is. */
  readonly hidden?: boolean;
  run(): void;
}

const offers = shallowReactive(new Set<() => readonly Command[]>());

export const commands = computed(() => [...offers].flatMap((offer) => offer()).filter(({ enabled }) => enabled !== false));

/** Offer commands while the calling component is there. `offer` is called again whenever what it reads changes. */
export function useCommands(offer: () => readonly Command[]): void {
  offers.add(offer);
  onUnmounted(() => offers.delete(offer));
}

/** The chord of a key event, in the form in which commands name theirs. */
export function chordOf(event: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey' | 'shiftKey'>): string {
  const { key } = event;
  const named = key.length === 1 ? key.toUpperCase() : key;
  const shift = event.shiftKey && (key.length > 1 || /[a-z]/i.test(key));
  return [
    ...(event.ctrlKey || event.metaKey ? ['Ctrl'] : []),
    ...(event.altKey ? ['Alt'] : []),
    ...(shift ? ['Shift'] : []),
    named,
  ].join('+');
}

/** Also one of another window of ours, which has classes of its own. */
const isElement = (target: EventTarget | null): target is HTMLElement => target !== null && 'closest' in target;

/** Keys that a text field needs itself stay with it. */
const isTyping = (target: EventTarget | null, event: KeyboardEvent): boolean => {
  if (!isElement(target) || event.ctrlKey || event.metaKey || /^F\d+$/.test(event.key)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
};

/** Run the command of a key. What stands in a terminal or a guest's screen belongs to the guest. */
export function onKey(event: KeyboardEvent): void {
  const { target } = event;
  if (isElement(target) && target.closest('.xterm, [data-guest-keys]') !== null) return;
  if (event.defaultPrevented || isTyping(target, event)) return;
  const chord = chordOf(event);
  const found = commands.value.findLast(({ keys }) => keys?.includes(chord));
  if (found === undefined) return;
  event.preventDefault();
  found.run();
}
