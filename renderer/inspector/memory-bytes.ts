/** Bytes of memory as the engine tells them and as people type them. */

/** Null where there is no memory. */
export type MemoryByte = number | null;

/** Two digits a byte; `--` where there is none. */
export function parseBytes(text: string): MemoryByte[] {
  const bytes: MemoryByte[] = [];
  for (let at = 0; at + 2 <= text.length; at += 2) {
    const two = text.slice(at, at + 2);
    bytes.push(two === '--' ? null : Number.parseInt(two, 16));
  }
  return bytes;
}

/** What to search for, in hexadecimal: digits in pairs with or without blanks, or a text in quotation marks. `undefined`: neither. */
export function parsePattern(typed: string): string | undefined {
  const quoted = /^["'„“](.+?)["'“”]$/.exec(typed.trim())?.[1];
  if (quoted !== undefined) {
    return [...new TextEncoder().encode(quoted)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  }
  const plain = typed.replaceAll(/\s+|0x/g, '').toLowerCase();
  return /^([0-9a-f]{2}){1,256}$/.test(plain) ? plain : undefined;
}
