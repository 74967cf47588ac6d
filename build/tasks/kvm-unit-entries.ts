/** The two texts behind a run of kvm-unit-tests: its own list of entries, and our table of what we claim of them. */

export interface KvmUnitEntry {
  readonly name: string;
  /** Program, without folder. */
  readonly file: string;
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly append: string;
  /** Seconds that the entry may take on a fast machine. */
  readonly timeout: number;
}

export type Claim = 'must pass' | 'not claimed' | 'known difference';

const defaultMemoryMiB = 256;
const defaultTimeout = 90;

function unquoted(text: string): string {
  return text.replace(/^(["'])(.*)\1$/, '$2');
}

/** Entries of a `unittests.cfg` in its order. Keys that describe other hypervisors' options are read for the memory size only. */
export function parseEntries(text: string): readonly KvmUnitEntry[] {
  const sections: { name: string; keys: Map<string, string> }[] = [];
  for (const line of text.split('\n')) {
    const section = /^\[([^\]]+)\]/.exec(line)?.[1];
    if (section !== undefined) sections.push({ name: section, keys: new Map() });
    const key = /^(\w+)\s*=\s*(.*?)\s*$/.exec(line);
    if (key?.[1] !== undefined) sections.at(-1)?.keys.set(key[1], unquoted(key[2] ?? ''));
  }
  return sections.map(({ name, keys }) => {
    const memory = /-m (\d+)(g?)/.exec(keys.get('qemu_params') ?? '');
    const unit = memory?.[2] === 'g' ? 1024 : 1;
    return {
      name,
      file: keys.get('file') ?? '',
      vcpus: Number(keys.get('smp') ?? '1'),
      memoryMiB: memory?.[1] === undefined ? defaultMemoryMiB : Number(memory[1]) * unit,
      append: keys.get('test_args') ?? '',
      timeout: Number(keys.get('timeout') ?? defaultTimeout),
    };
  });
}

export type Accelerator = 'bare' | 'software';

export interface ClaimRow {
  readonly bare: Claim;
  readonly software: Claim;
  readonly remark: string;
}

const CLAIMS: readonly Claim[] = ['must pass', 'not claimed', 'known difference'];

/** The claim of a cell; after a colon it may say what the entry does all the same. */
function claimOf(entry: string, cell: string): Claim {
  const claim = CLAIMS.find((text) => text === cell.split(':')[0]);
  if (claim === undefined) throw new Error(`${entry}: "${cell}" is none of ${CLAIMS.join(', ')}`);
  return claim;
}

/** The rows of the table in build/kvm-unit-tests.md by entry. Throws Error for a row that claims nothing known. */
export function parseClaims(markdown: string): ReadonlyMap<string, ClaimRow> {
  const rows = new Map<string, ClaimRow>();
  for (const line of markdown.split('\n')) {
    const cells = line.split('|').map((cell) => cell.trim());
    const [, name, , vcpus, bare = '', software = '', remark = ''] = cells;
    if (cells.length !== 8 || name === undefined || !/^\d+$/.test(vcpus ?? '')) continue;
    rows.set(name, { bare: claimOf(name, bare), software: claimOf(name, software), remark });
  }
  return rows;
}

export type Outcome = 'passed' | 'skipped' | 'failed' | 'timeout';

/**
 * What a run says. The debug-exit device turns the test's value V into the status (V << 1) | 1. A triple fault and a failure of the
 * engine end with status 1 as well; only they report on standard error.
 */
export function outcomeOf({ status, stderr }: { readonly status: number | null; readonly stderr: string }): Outcome {
  if (/^rootmode: /m.test(stderr)) return 'failed';
  if (status === 1) return 'passed';
  // The suite halves 77, so that what the device makes of it is 77 again.
  return status === 77 ? 'skipped' : 'failed';
}
