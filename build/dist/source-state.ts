/** Which sources a distribution is made of. */
import { run } from '../tasks/run.ts';

/** Time of the commit that is checked out; for an unpacked archive SOURCE_DATE_EPOCH (seconds since 1970), or else the start of 2026. */
export async function sourceTime(): Promise<Date> {
  const given = process.env['SOURCE_DATE_EPOCH'];
  if (given !== undefined && /^\d+$/.test(given)) return new Date(Number(given) * 1000);
  const { code, output } = await run('git', ['log', '-1', '--format=%ct']);
  return new Date(code === 0 ? Number(output.trim()) * 1000 : Date.UTC(2026, 0, 1));
}
