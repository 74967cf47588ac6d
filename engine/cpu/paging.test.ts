/** Page walks of every tier against the naive walker, under random tables, controls and privileges. */
import { describe, expect, it } from 'vitest';
import { PHYS } from '../memory/index.ts';
import { PagedMachine, type PagingMode, randomConfig } from './testing/paged-machine.ts';
import { Random } from './testing/random.ts';
import { tiers } from './testing/tiers.ts';

const MODES: readonly PagingMode[] = ['32-bit', 'PAE', '4-level'];
const CONFIGS = 20;
const ACCESSES = 40;

describe.each(tiers)('paging on the $name', ({ create }) => {
  it.each(MODES)(
    '%s: faults, addresses, accessed and dirty flags as the naive walk has them',
    (mode) => {
      const cpu = create();
      const seen = { faults: 0, translated: 0, large: 0, codes: new Set<number>() };
      for (let seed = 1; seed <= CONFIGS; seed++) {
        const random = new Random(seed);
        const config = randomConfig(mode, random);
        const paged = new PagedMachine(cpu, config, random);
        paged.flush();
        for (let i = 0; i < ACCESSES; i++) {
          const linear = paged.randomAddress(random);
          const kind = random.pick(['read', 'read', 'write', 'write', 'fetch'] as const);
          const what = `seed ${seed}, access ${i}: ${kind} at 0x${linear.toString(16)} under ${JSON.stringify(config)}`;
          const { result, tables } = paged.expected(linear, kind);
          if ('physical' in result) {
            // Only the data area holds code that does no harm, and a write into the tables changes what comes after it.
            const data = result.physical >= 0x300000n && result.physical < 0x400000n;
            const ram = result.physical < 4n << 20n;
            if (!data && (kind === 'fetch' || (kind === 'write' && ram))) continue;
          }
          const value = random.below(0x1_0000) * 0x10000 + 0x9090;
          cpu.host.accesses.length = 0;
          const outcome = paged.access(linear, kind, value);
          expect(Buffer.compare(paged.tables(), tables), `${what}: accessed and dirty flags`).toBe(0);
          if ('errorCode' in result) {
            seen.faults++;
            seen.codes.add(result.errorCode);
            expect(outcome.fault, what).toEqual({ errorCode: result.errorCode, cr2: linear });
            continue;
          }
          seen.translated++;
          expect(outcome.fault, what).toBeUndefined();
          const physical = Number(result.physical);
          const entry = cpu.machine.u32[(cpu.machine.map.physTable >>> 2) + Math.floor(physical / 4096)] ?? 0;
          if ((entry & PHYS.RAM) === 0) {
            expect(cpu.host.accesses.at(-1)?.address, what).toBe(physical);
          } else if (kind !== 'fetch') {
            expect(cpu.machine.dma.read32(physical) >>> 0, what).toBe((kind === 'write' ? value : outcome.value) >>> 0);
          }
        }
      }
      expect(seen.faults, 'the tables must make faults').toBeGreaterThan(60);
      expect(seen.translated, 'the tables must translate').toBeGreaterThan(60);
      expect(seen.codes.size, 'kinds of error code').toBeGreaterThan(mode === '32-bit' ? 5 : 8);
    },
    120_000,
  );
});
