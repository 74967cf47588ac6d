/**
 * Records the golden vectors: `node build/tasks/vectors/record.ts [--list]`. Needs gcc and an x86-64 Linux; writes assets/fixtures/vectors.bin
 * (brotli) and vectors.json (origin, counts, checksum). `--list` only prints what would be recorded and what is left out, with reasons.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { encodeVectors, type VectorCase, type VectorGroup, type VectorInput } from '../../../engine/cpu/testing/vector-file.ts';
import { definitions } from '../../../engine/isa/all.ts';
import { allEnvironments, casesOf, categoryOf, makeInput, omitted, shapesOf } from './plan.ts';
import { compileRecorder, record } from './recorder.ts';

const MODES = ['64-bit', '32-bit', '16-bit'] as const;

interface Planned {
  readonly name: string;
  readonly form: string;
  readonly category: string;
  readonly inputs: readonly VectorInput[];
}

function plan(): { groups: Planned[]; left: Map<string, string[]> } {
  const groups: Planned[] = [];
  const left = new Map<string, string[]>();
  for (const definition of definitions) {
    for (const form of definition.forms) {
      const reason = omitted(form);
      if (reason !== undefined) {
        left.set(reason, [...(left.get(reason) ?? []), `${definition.name} ${form.text}`]);
        continue;
      }
      for (const shape of shapesOf(form)) {
        const count = casesOf(form, shape);
        const variant = `${MODES[shape.mode]} ${shape.size}${shape.memory ? ' memory' : ''}`;
        groups.push({
          name: definition.name,
          form: `${form.text} | ${variant}`,
          category: shape.mode === 0 ? categoryOf(form) : `${categoryOf(form)} ${MODES[shape.mode]}`,
          inputs: Array.from({ length: count }, (_, index) => makeInput(form, shape, index)),
        });
      }
    }
  }
  return { groups, left };
}

function processorFacts(): Record<string, string> {
  const lines = readFileSync('/proc/cpuinfo', 'utf8').split('\n\n')[0]?.split('\n') ?? [];
  const facts = new Map(lines.map((line) => line.split(':').map((part) => part.trim()) as [string, string]));
  const wanted = { vendor: 'vendor_id', name: 'model name', family: 'cpu family', model: 'model', stepping: 'stepping' };
  return Object.fromEntries(Object.entries(wanted).map(([key, from]) => [key, facts.get(from) ?? 'unknown']));
}

async function main(): Promise<void> {
  const { groups, left } = plan();
  for (const [reason, forms] of left) console.log(`left out, ${reason}: ${forms.join('; ')}`);
  const inputs = groups.flatMap((group) => group.inputs);
  console.log(`${inputs.length} cases in ${groups.length} groups`);
  if (process.argv.includes('--list')) return;
  const environments = allEnvironments();
  const recorder = compileRecorder();
  const outputs = await record(recorder.path, environments, inputs).finally(() => recorder.dispose());
  let next = 0;
  const counts: Record<string, number> = {};
  const recorded = groups.map(({ name, form, category, inputs: own }): VectorGroup => {
    const cases: VectorCase[] = [];
    for (const input of own) {
      const output = outputs[next++];
      if (output !== undefined) cases.push({ input, output });
    }
    counts[category] = (counts[category] ?? 0) + cases.length;
    return { name, form, cases };
  });
  const bytes = encodeVectors({ environments, groups: recorded });
  const packed = brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 11,
      [constants.BROTLI_PARAM_LGWIN]: 24,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });
  const folder = join(import.meta.dirname, '../../../assets/fixtures');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'vectors.bin'), packed);
  const cases = recorded.reduce((sum, group) => sum + group.cases.length, 0);
  const manifest = {
    what: 'Single instructions executed on a real processor in user mode: state before and after. Format: engine/cpu/testing/vector-file.ts',
    origin: 'Recorded by build/tasks/vectors of this project; inputs come from its definition table and seeds kept there',
    licence: 'Apache-2.0',
    processor: processorFacts(),
    cases,
    dropped: inputs.length - cases,
    categories: counts,
    encoding: 'brotli',
    bytes: packed.length,
    sha256: createHash('sha256').update(packed).digest('hex'),
  };
  writeFileSync(join(folder, 'vectors.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  console.log(manifest);
}

await main();
