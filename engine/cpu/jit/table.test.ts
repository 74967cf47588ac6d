import { expect, it } from 'vitest';
import { Code } from '../../wasm/code.ts';
import { ModuleBuilder } from '../../wasm/module.ts';
import { createRegionTable, LASTS, SKIP_SLOT, slotOfLast } from './table.ts';

const [FIRST, MOST] = [16_384, 65_536];

/** A module with two functions that are not the same. */
function twoFunctions(): WebAssembly.Exports {
  const module = new ModuleBuilder();
  for (const name of ['f', 'g']) {
    const index = module.declare(name, { parameters: [], results: [] });
    module.define(index, new Code(0));
    module.export(name, index);
  }
  return new WebAssembly.Instance(new WebAssembly.Module(module.finish())).exports;
}

it('the table of regions grows up to its end, and every slot without a region holds the same function', () => {
  const exports = twoFunctions();
  const regions = createRegionTable();
  const [f, g] = [exports['f'], exports['g']] as [WebAssembly.ExportValue, WebAssembly.ExportValue];
  regions.connect({ noRegion: f, ...Object.fromEntries(LASTS.map((name) => [name, g])) });
  expect(LASTS.map((name) => regions.table.get(slotOfLast(name)) === g)).toEqual(LASTS.map(() => true));
  expect(slotOfLast('skipRegion')).toBe(SKIP_SLOT);
  const taken = new Set<number>();
  for (let slot = regions.take(); slot !== 0; slot = regions.take()) taken.add(slot);
  expect([taken.size, regions.table.length, taken.has(FIRST), taken.has(MOST - 1)]).toEqual([
    MOST - 1 - LASTS.length,
    MOST,
    true,
    true,
  ]);
  regions.table.set(FIRST, exports['g']);
  regions.release(FIRST);
  expect([regions.table.get(FIRST) === exports['f'], regions.table.get(MOST - 1) === exports['f']]).toEqual([true, true]);
  expect([regions.take(), regions.take()]).toEqual([FIRST, 0]);
});
