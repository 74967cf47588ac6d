/** Regions to one wasm module, and the module to functions in the table of regions. */
import type { MachineMemory } from '../../memory/index.ts';
import { Code } from '../../wasm/code.ts';
import { ModuleBuilder, type Signature } from '../../wasm/module.ts';
import { CPU_REGION_BYTES } from '../regions.ts';
import { ROUTINES } from '../routines/all.ts';
import { type BuiltRegion, buildRegion, type RegionMode } from './build.ts';
import type { RegionPlan } from './form.ts';
import { lowerRegion } from './lower.ts';
import { place } from './placement.ts';

const WASM_PAGE = 65536;
const REGION: Signature = { parameters: ['i32'], results: ['i32'] };
const SIGNATURES = new Map<string, Signature>(ROUTINES.map((r) => [r.name, { parameters: r.parameters, results: [r.result] }]));

/** IR of a region after all passes. */
export function makeRegion(plan: RegionPlan, mode: RegionMode): BuiltRegion {
  const built = buildRegion(plan, mode);
  place(built.body);
  return built;
}

/** The module of some regions; function i of it is exported as `ri`. Adds the length of each to `lengths`. */
export function encodeRegions(regions: readonly BuiltRegion[], lengths: number[] = []): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const end = Math.max(...regions.map(({ cpu }) => cpu + CPU_REGION_BYTES));
  module.importSharedMemory(Math.ceil(end / WASM_PAGE));
  module.importTable('env', 'regions', 1);
  const imports = new Map<string, number>();
  const signatureOf = (name: string): Signature => {
    const signature = SIGNATURES.get(name);
    if (signature === undefined) throw new RangeError(`regions cannot call ${name}`);
    return signature;
  };
  const functionIndex = (name: string): number => {
    const known = imports.get(name);
    if (known !== undefined) return known;
    const index = module.importFunction('env', name, signatureOf(name));
    imports.set(name, index);
    return index;
  };
  const types = new Map<string, number>();
  const typeOf = (name: string): number => {
    const known = types.get(name);
    if (known !== undefined) return known;
    const type = module.type(signatureOf(name));
    types.set(name, type);
    return type;
  };
  const regionType = module.type(REGION);
  const codes = regions.map((region) => {
    const code = new Code(1);
    lowerRegion(region.body, {
      code,
      functionIndex,
      typeOf,
      regionType,
      budget: region.budget,
      page: region.page,
      entry: region.entry,
      stack: region.stack,
      cpu: region.cpu,
    });
    lengths.push(code.size);
    return code;
  });
  for (const [i, code] of codes.entries()) {
    const index = module.declare(`r${i}`, REGION);
    module.define(index, code);
    module.export(`r${i}`, index);
  }
  return module.finish();
}

export type RegionFunction = (cpu: number) => number;

export function instantiateRegions(
  module: WebAssembly.Module,
  into: { readonly machine: MachineMemory; readonly table: WebAssembly.Table; readonly routines: Record<string, unknown> },
): RegionFunction[] {
  const env = { ...into.routines, memory: into.machine.memory, regions: into.table } as WebAssembly.Imports[string];
  const { exports } = new WebAssembly.Instance(module, { env });
  return Object.values(exports) as unknown as RegionFunction[];
}
