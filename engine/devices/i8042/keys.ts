/**
 * The keys of a keyboard of 102 keys and a few more: their names, after the codes of W3C UI Events, and what each sends in scan sets 2
 * and 3 (IBM PS/2 Technical Reference, keyboard; Microsoft, Keyboard Scan Code Specification). Set 1 follows by the translation.
 */

export interface KeyCodes {
  readonly name: string;
  /** Make code of set 2; with E0h in the upper byte for keys that came later than the PC/AT. */
  readonly set2: number;
  readonly set3: number;
  /** What the key sends in set 3 after power-on. */
  readonly kind: 'typematic' | 'make-break' | 'make';
}

type Row = readonly [name: string, set2: number, set3: number];

/** Letters, digits and signs, by rows of the keyboard; both sets agree on most of them. */
const WRITING: readonly Row[] = [
  ...row(['Backquote', 0x0e], ['Digit1', 0x16], ['Digit2', 0x1e], ['Digit3', 0x26], ['Digit4', 0x25], ['Digit5', 0x2e]),
  ...row(
    ['Digit6', 0x36],
    ['Digit7', 0x3d],
    ['Digit8', 0x3e],
    ['Digit9', 0x46],
    ['Digit0', 0x45],
    ['Minus', 0x4e],
    ['Equal', 0x55],
  ),
  ...row(['Backspace', 0x66], ['Tab', 0x0d], ['KeyQ', 0x15], ['KeyW', 0x1d], ['KeyE', 0x24], ['KeyR', 0x2d], ['KeyT', 0x2c]),
  ...row(
    ['KeyY', 0x35],
    ['KeyU', 0x3c],
    ['KeyI', 0x43],
    ['KeyO', 0x44],
    ['KeyP', 0x4d],
    ['BracketLeft', 0x54],
    ['BracketRight', 0x5b],
  ),
  ['Backslash', 0x5d, 0x5c],
  ...row(['KeyA', 0x1c], ['KeyS', 0x1b], ['KeyD', 0x23], ['KeyF', 0x2b], ['KeyG', 0x34], ['KeyH', 0x33], ['KeyJ', 0x3b]),
  ...row(['KeyK', 0x42], ['KeyL', 0x4b], ['Semicolon', 0x4c], ['Quote', 0x52], ['Enter', 0x5a], ['Space', 0x29]),
  ['IntlBackslash', 0x61, 0x13],
  ...row(['KeyZ', 0x1a], ['KeyX', 0x22], ['KeyC', 0x21], ['KeyV', 0x2a], ['KeyB', 0x32], ['KeyN', 0x31], ['KeyM', 0x3a]),
  ...row(['Comma', 0x41], ['Period', 0x49], ['Slash', 0x4a]),
];
const MOVING: readonly Row[] = [
  ['Insert', 0xe070, 0x67],
  ['Delete', 0xe071, 0x64],
  ['ArrowLeft', 0xe06b, 0x61],
  ['Home', 0xe06c, 0x6e],
  ['End', 0xe069, 0x65],
  ['ArrowUp', 0xe075, 0x63],
  ['ArrowDown', 0xe072, 0x60],
  ['PageUp', 0xe07d, 0x6f],
  ['PageDown', 0xe07a, 0x6d],
  ['ArrowRight', 0xe074, 0x6a],
  ['Numpad7', 0x6c, 0x6c],
  ['Numpad4', 0x6b, 0x6b],
  ['Numpad1', 0x69, 0x69],
  ['Numpad8', 0x75, 0x75],
  ['Numpad5', 0x73, 0x73],
  ['Numpad2', 0x72, 0x72],
  ['Numpad0', 0x70, 0x70],
  ['Numpad9', 0x7d, 0x7d],
  ['Numpad6', 0x74, 0x74],
  ['Numpad3', 0x7a, 0x7a],
  ['NumpadDecimal', 0x71, 0x71],
  ['NumpadDivide', 0xe04a, 0x77],
  ['NumpadMultiply', 0x7c, 0x7e],
  ['NumpadSubtract', 0x7b, 0x84],
  ['NumpadAdd', 0x79, 0x7c],
  ['NumpadEnter', 0xe05a, 0x79],
];
const SHIFTING: readonly Row[] = [
  ['CapsLock', 0x58, 0x14],
  ['ShiftLeft', 0x12, 0x12],
  ['ShiftRight', 0x59, 0x59],
  ['ControlLeft', 0x14, 0x11],
  ['AltLeft', 0x11, 0x19],
];
const COMMANDING: readonly Row[] = [
  ['AltRight', 0xe011, 0x39],
  ['ControlRight', 0xe014, 0x58],
  ['NumLock', 0x77, 0x76],
  ['ScrollLock', 0x7e, 0x5f],
  ['Escape', 0x76, 0x08],
  ['F1', 0x05, 0x07],
  ['F2', 0x06, 0x0f],
  ['F3', 0x04, 0x17],
  ['F4', 0x0c, 0x1f],
  ['F5', 0x03, 0x27],
  ['F6', 0x0b, 0x2f],
  ['F7', 0x83, 0x37],
  ['F8', 0x0a, 0x3f],
  ['F9', 0x01, 0x47],
  ['F10', 0x09, 0x4f],
  ['F11', 0x78, 0x56],
  ['F12', 0x07, 0x5e],
  ['PrintScreen', 0xe07c, 0x57],
  ['Pause', 0xe077, 0x62],
  ['MetaLeft', 0xe01f, 0x8b],
  ['MetaRight', 0xe027, 0x8c],
  ['ContextMenu', 0xe02f, 0x8d],
];

function row(...keys: readonly (readonly [name: string, code: number])[]): Row[] {
  return keys.map(([name, code]) => [name, code, code]);
}

const kindOf = (kind: KeyCodes['kind'], rows: readonly Row[]): KeyCodes[] =>
  rows.map(([name, set2, set3]) => ({ name, set2, set3, kind }));

/** Every key; its place here is its number in saved state, so new ones come at the end. */
export const KEYS: readonly KeyCodes[] = [
  ...kindOf('typematic', WRITING),
  ...kindOf('typematic', MOVING),
  ...kindOf('make-break', SHIFTING),
  ...kindOf('make', COMMANDING),
];

const NUMBERS = new Map(KEYS.map(({ name }, number) => [name, number]));

/** Number of the key with this name, undefined when there is none. */
export const keyNumber = (name: string): number | undefined => NUMBERS.get(name);
