/** `rootmode://machine/NAME` opens that machine's window. A link comes from any page or program: it can show, never start anything. */
import { MachineName } from '../../engine/contract/settings.ts';

export const LINK_SCHEME = 'rootmode';

/** The machine a link names, or `undefined` for anything else. */
export function machineOfLink(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, host, pathname } = new URL(text);
  if (protocol !== `${LINK_SCHEME}:` || host !== 'machine') return undefined;
  const name = MachineName.safeParse(pathname.slice(1));
  return name.success ? name.data : undefined;
}
