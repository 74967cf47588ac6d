/** `rootmode walk`: from a guest-virtual address to memory, every entry. */
import type { ResultOf } from '../../contract/command.ts';
import type { machineWalk } from '../../contract/observe.ts';
import { type WatchOutput, withMachine } from './session.ts';

type Walked = ResultOf<typeof machineWalk>;

export interface WalkOptions {
  readonly name?: string | undefined;
  readonly gva: string;
  readonly vcpu: number;
  readonly json: boolean;
}

export async function walk({ name, gva, vcpu, json }: WalkOptions, output: WatchOutput): Promise<void> {
  await withMachine(name, output, async (client) => {
    const walked = await client.machineWalk({ gva, vcpu });
    await output.write(json ? `${JSON.stringify(walked)}\n` : walkText(walked));
  });
}

const wide = (value: string): string => `0x${value.slice(2).padStart(16, '0')}`;
const flagged = (flags: readonly string[]): string => flags.join(' ');

export function walkText(walked: Walked): string {
  const { vcpu, gva, paging, ept, entries, gpa, last, hpa, hva, pageBytes, rights, fault } = walked;
  const below = ept ? 'EPT below' : 'no EPT';
  const lines = [`gva ${wide(gva)}  vCPU ${vcpu}, ${paging === 'none' ? 'no paging' : `${paging} paging`}, ${below}`];
  const through = ({ name, at, value, flags }: Walked['last'][number]): string =>
    `    ${name.padEnd(9)} at hpa ${at.padEnd(13)} ${wide(value)}  ${flagged(flags)}`;
  for (const entry of entries) {
    lines.push(...entry.ept.map(through));
    const where = entry.at === undefined ? 'in a register' : `at gpa ${entry.at}`;
    const value = entry.value === undefined ? 'not readable' : `${wide(entry.value)}  ${flagged(entry.flags)}`;
    lines.push(`  ${entry.name.padEnd(6)} ${where.padEnd(22)} ${value}`.trimEnd());
  }
  if (gpa !== undefined) lines.push(`gpa ${wide(gpa)}`);
  lines.push(...last.map(through));
  if (hpa !== undefined) lines.push(`hpa ${wide(hpa)}${hva === undefined ? '' : `  at ${hva} in the machine's memory`}`);
  if (pageBytes !== undefined) lines.push(`page of ${sizeText(pageBytes)}`);
  if (rights !== undefined) {
    const { write, user, execute } = rights;
    const word = (allowed: boolean, what: string): string => `${allowed ? '' : 'not '}${what}`;
    lines.push(`rights: ${word(write, 'writable')}, ${word(user, 'for users')}, ${word(execute, 'executable')}`);
  }
  if (fault !== undefined) lines.push(`ends at ${fault.at}: ${fault.reason}`);
  return `${lines.join('\n')}\n`;
}

function sizeText(bytes: number): string {
  if (bytes >= 2 ** 30) return `${bytes / 2 ** 30} GiB`;
  return bytes >= 2 ** 20 ? `${bytes / 2 ** 20} MiB` : `${bytes / 2 ** 10} KiB`;
}
