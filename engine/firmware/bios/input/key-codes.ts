/** What a key gives under each shift: scan code in the high byte, ASCII in the low one (IBM PS/2 BIOS Interface Technical Reference, keyboard). */

/** Codes of scan set 1. */
export const Key = {
  Escape: 0x01,
  Control: 0x1d,
  LeftShift: 0x2a,
  PrintScreen: 0x37,
  RightShift: 0x36,
  Alt: 0x38,
  CapsLock: 0x3a,
  F1: 0x3b,
  NumLock: 0x45,
  ScrollLock: 0x46,
  Delete: 0x53,
  SystemRequest: 0x54,
  Insert: 0x52,
  F12: 0x58,
} as const;

/** Main block by scan code from 02h: plain and shifted characters; NUL: none. */
const PLAIN = "1234567890-=\b\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./";
const SHIFTED = '!@#$%^&*()_+\b\0QWERTYUIOP{}\r\0ASDFGHJKL:"~\0|ZXCVBNM<>?';
const FIRST = 0x02;
const KEYPAD = '789-456+1230.';
const KEYPAD_FIRST = 0x47;
const NO_KEY = 0;

export interface Shifts {
  readonly shift: boolean;
  readonly control: boolean;
  readonly alt: boolean;
  readonly caps: boolean;
  readonly num: boolean;
}

/** Scan codes with Control for keys of the pad: 7 to dot. */
const PAD_CONTROL = [0x77, 0x8d, 0x84, 0x8e, 0x73, 0x8f, 0x74, 0x90, 0x75, 0x91, 0x76, 0x92, 0x93];
/** With Alt, the grey keys of the same places. */
const GREY_ALT = [0x97, 0x98, 0x99, 0x4a, 0x9b, 0, 0x9d, 0x4e, 0x9f, 0xa0, 0xa1, 0xa2, 0xa3];

const word = (scan: number, character: number): number => (scan << 8) | character;

/** The word for the buffer; 0 when the key gives none. `extended`: after an E0h prefix. */
export function keyWord(scan: number, shifts: Shifts, extended: boolean): number {
  if (scan === Key.Escape) return word(Key.Escape, shifts.alt ? 0 : 0x1b);
  if (scan === 0x39) return word(0x39, 0x20);
  if (extended && scan === 0x1c) return shifts.alt ? word(0xa6, 0) : word(0xe0, shifts.control ? 0x0a : 0x0d);
  if (extended && scan === 0x35) return shifts.alt ? word(0xa4, 0) : shifts.control ? word(0x95, 0) : word(0xe0, 0x2f);
  if (scan === 0x37 && !extended) return shifts.alt ? word(0x37, 0) : shifts.control ? word(0x96, 0) : word(0x37, 0x2a);
  if (scan >= Key.F1 && scan < Key.F1 + 10) return functionKey(scan, scan - Key.F1, shifts);
  if (scan === 0x57 || scan === 0x58) {
    const i = scan - 0x57;
    return word((shifts.alt ? 0x8b : shifts.control ? 0x89 : shifts.shift ? 0x87 : 0x85) + i, 0);
  }
  if (scan >= KEYPAD_FIRST && scan <= Key.Delete) return padKey(scan, shifts, extended);
  if (scan === 0x56) return shifts.alt || shifts.control ? NO_KEY : word(0x56, shifts.shift ? 0x7c : 0x5c);
  const at = scan - FIRST;
  if (at < 0 || at >= PLAIN.length || scan === Key.Control || scan === Key.LeftShift) return NO_KEY;
  return mainKey(scan, at, shifts);
}

function functionKey(scan: number, i: number, { shift, control, alt }: Shifts): number {
  return word(alt ? 0x68 + i : control ? 0x5e + i : shift ? 0x54 + i : scan, 0);
}

function padKey(scan: number, { shift, control, alt, num }: Shifts, extended: boolean): number {
  const i = scan - KEYPAD_FIRST;
  if (alt) {
    if (extended) return word(GREY_ALT[i] ?? 0, 0);
    return scan === 0x4a || scan === 0x4e ? word(scan, 0) : NO_KEY; // digits with Alt build a character
  }
  if (control) return word(PAD_CONTROL[i] ?? 0, extended ? 0xe0 : 0);
  const character = KEYPAD.charCodeAt(i);
  if (scan === 0x4a || scan === 0x4e) return word(scan, character);
  if (extended) return word(scan, 0xe0);
  if (num !== shift) return word(scan, character);
  return word(scan, 0);
}

function mainKey(scan: number, at: number, { shift, control, alt, caps }: Shifts): number {
  const plain = PLAIN.charCodeAt(at);
  const letter = plain >= 0x61 && plain <= 0x7a;
  if (alt) {
    if (scan <= 0x0d) return word(0x76 + scan, 0);
    if (scan === 0x0e || scan === 0x1c) return word(scan, 0);
    if (scan === 0x0f) return word(0xa5, 0);
    return plain === 0 ? NO_KEY : word(scan, 0);
  }
  if (control) {
    if (letter) return word(scan, plain & 0x1f);
    const other: Readonly<Record<number, number>> = {
      3: 0x0300,
      7: 0x071e,
      12: 0x0c1f,
      14: 0x0e7f,
      15: 0x9400,
      26: 0x1a1b,
      27: 0x1b1d,
      28: 0x1c0a,
      43: 0x2b1c,
    };
    return other[scan] ?? NO_KEY;
  }
  if (scan === 0x0f) return shift ? 0x0f00 : 0x0f09;
  const character = (letter ? shift !== caps : shift) ? SHIFTED.charCodeAt(at) : plain;
  return character === 0 ? NO_KEY : word(scan, character);
}
