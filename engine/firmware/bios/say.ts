/** Messages of our own: on the screen, and on the first serial port, which is all there is to see of a machine without a screen. */
import { Bda } from './areas.ts';
import type { BiosHost } from './host.ts';
import type { Screen } from './video/screen.ts';
import { read16 } from './words.ts';

export function say({ host, screen }: { readonly host: BiosHost; readonly screen: Screen }, text: string): void {
  screen.print(text);
  const port = read16(host.memory, Bda.SerialPorts);
  if (port === 0) return;
  for (const character of text.replaceAll('\n', '\r\n')) host.io.out(port, character.charCodeAt(0));
}
