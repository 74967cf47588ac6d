/** Generates the interpreter: one wasm module with the dispatch loop, the handlers of all definitions and the routines they call. */

import type { Facts, Operand } from '../../isa/emitter.ts';
import type { Definition } from '../../isa/form.ts';
import { makeVariant, type VariantOperand, variantKeys } from '../../isa/variants.ts';
import { Code, type ValueType } from '../../wasm/code.ts';
import { ModuleBuilder, type Signature } from '../../wasm/module.ts';
import { IrEmitter } from '../ir/emitter.ts';
import { lower } from '../ir/lower.ts';
import type { Statement } from '../ir/node.ts';
import { LEFT, SPECIAL_COUNT } from '../regions.ts';
import { ROUTINES } from '../routines/all.ts';
import { Routine, type RoutineDefinition } from '../routines/routine.ts';
import { type AddressShape, type ShapedHandlers, SIMPLE_SHAPES, type SimpleShape } from './address-shapes.ts';
import { buildDispatchLoop } from './dispatch-loop.ts';
import { FunctionFrame } from './frames.ts';
import { lateBinding } from './late-binding.ts';
import { RoutineFrame } from './routine-frame.ts';
import { findHandler, growTree, type HandlerTree, shapeOf, type TrackedFact, trackFacts } from './tracked-facts.ts';

/** What V8 compiles well (design.md, section 4): bytes of the loop, of one function, and number of cases; of these, for simple addresses. */
const LIMITS = { loopBytes: 64 * 1024, functionBytes: 32 * 1024, inlineCases: 400, shaped: { plain: 80, indexed: 24 } } as const;

export interface Interpreter {
  readonly wasm: Uint8Array<ArrayBuffer>;
  /** Per definition, per form: how facts select a handler number. */
  readonly trees: readonly (readonly (HandlerTree | undefined)[])[];
  /** Whether a block ends with that handler's instruction, by handler number. */
  readonly ends: readonly boolean[];
  /** Whether that handler reaches the stack implicitly: a non-canonical address is #SS then. */
  readonly stack: readonly boolean[];
  readonly shaped: ShapedHandlers;
  /** Name of each handler from number SPECIAL_COUNT on: definition, form, facts. */
  readonly names: readonly string[];
  readonly loopBytes: number;
  readonly inlineCases: number;
}

/** Functions the TypeScript side provides, i32 only. */
const IMPORTS: Record<string, Signature> = {
  slow: { parameters: ['i32', 'i32', 'i32'], results: ['i32'] },
  lookupSlow: { parameters: ['i32'], results: ['i32'] },
  hot: { parameters: ['i32', 'i32'], results: ['i32'] },
  farWritten: { parameters: ['i32', 'i32'], results: ['i32'] },
  farMissing: { parameters: ['i32', 'i32'], results: ['i32'] },
  hostTsc: { parameters: ['i32'], results: ['i32'] },
  mmioRead: { parameters: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] },
  mmioWrite: { parameters: ['i32', 'i32', 'i32', 'i32', 'i32'], results: ['i32'] },
  codeWritten: { parameters: ['i32', 'i32', 'i32'], results: ['i32'] },
  exclusiveBegin: { parameters: ['i32'], results: ['i32'] },
  exclusiveEnd: { parameters: ['i32'], results: ['i32'] },
  watchHit: { parameters: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] },
};

interface Handler {
  readonly name: string;
  readonly facts: Facts;
  readonly run: Definition['run'];
}

const HANDLER: Signature = { parameters: ['i32', 'i32'], results: ['i32'] };
const REGION: Signature = { parameters: ['i32'], results: ['i32'] };

/** Every distinct handler of the definitions, and the trees that lead to them (numbers are indexes into `handlers`). */
function collectHandlers(definitions: readonly Definition[]): { handlers: Handler[]; trees: (HandlerTree | undefined)[][] } {
  const handlers: Handler[] = [];
  const trees = definitions.map((definition) =>
    definition.forms.map((form) => {
      let tree: HandlerTree | undefined;
      for (const key of variantKeys(form)) {
        const { facts } = makeVariant(form, key);
        if (findHandler(tree, facts) !== undefined) continue;
        const consulted: TrackedFact[] = ['shape'];
        buildHandler({ name: '', facts, run: definition.run }, { consulted });
        const path = consulted.map((fact) => (fact === 'shape' ? shapeOf(facts) : `${fact}=${String(facts[fact])}`));
        handlers.push({ name: `${definition.name} | ${form.text} | ${path.join(' ')}`, facts, run: definition.run });
        tree = growTree(tree, facts, consulted, handlers.length - 1);
      }
      return tree;
    }),
  );
  return { handlers, trees };
}

interface Built {
  readonly statements: readonly Statement[];
  readonly ends: boolean;
  readonly stack: boolean;
}

interface BuildOptions {
  /** Facts it consults are added here. */
  readonly consulted?: TrackedFact[];
  readonly shape?: AddressShape;
}

function buildHandler(handler: Handler, { consulted = [], shape }: BuildOptions = {}): Built {
  const facts = trackFacts(handler.facts, consulted);
  const emitter = new IrEmitter();
  emitter.bind(facts, lateBinding(facts, shape)(emitter));
  handler.run(emitter, facts);
  const ends = emitter.endsBlock;
  emitter.end();
  return { statements: emitter.ir.root, ends, stack: emitter.usesStack };
}

export interface GenerateOptions {
  /** Host address of an array of u32 that counts executions by handler number; absent: nothing is counted. */
  readonly profileAt?: number;
}

/** Generate; `hot` names handlers that stand in the loop itself, hottest first. */
export function generateInterpreter(
  definitions: readonly Definition[],
  hot: readonly string[],
  options: GenerateOptions = {},
): Interpreter {
  const { handlers, trees } = collectHandlers(definitions);
  const module = new ModuleBuilder();
  const index = new Map<string, number>();
  const functionIndex = (name: string): number => {
    const found = index.get(name);
    if (found === undefined) throw new RangeError(`no function ${name}`);
    return found;
  };
  module.importSharedMemory(1);
  module.importTable('env', 'regions', 1);
  for (const [name, signature] of Object.entries(IMPORTS)) index.set(name, module.importFunction('env', name, signature));
  for (const r of ROUTINES) index.set(r.name, module.declare(r.name, { parameters: r.parameters, results: [r.result] }));
  for (const r of ROUTINES) module.define(functionIndex(r.name), buildRoutine(r, functionIndex, module.type(REGION)));

  const { unique, numberOf } = shareEqual(handlers, functionIndex);
  const rank = new Map(hot.map((name, i) => [name, i]));
  const isHot = (entry: Unique): boolean => entry.names.some((name) => rank.has(name));
  const heat = (entry: Unique): number => Math.min(...entry.names.map((name) => rank.get(name) ?? Number.MAX_SAFE_INTEGER));
  const inline = unique
    .filter(isHot)
    .sort((a, b) => heat(a) - heat(b))
    .slice(0, LIMITS.inlineCases);
  const inLoop = new Set(inline);
  const withAddress = inline.filter(({ handler }) => handler.facts.operands.some(isAddressed));
  const variants = SIMPLE_SHAPES.flatMap((shape) =>
    withAddress.slice(0, LIMITS.shaped[shape]).map((entry) => ({ entry, shape })),
  );
  const called = unique.filter((entry) => !inLoop.has(entry));

  const table: number[] = [];
  for (const entry of called) {
    const at = module.declare(entry.names[0] as string, HANDLER);
    module.define(at, entry.code);
    if (module.bodySize(at) > LIMITS.functionBytes) throw new RangeError(`${entry.names[0]} is too large for one function`);
    table.push(at);
  }
  module.table(table);

  const run = module.declare('run', { parameters: ['i32'], results: ['i32'] });
  const loop = new Code(1);
  buildDispatchLoop(loop, {
    inline: [
      ...inline.map((entry) => buildHandler(entry.handler).statements),
      ...variants.map(({ entry, shape }) => buildHandler(entry.handler, { shape }).statements),
    ],
    functionIndex,
    handlerType: module.type(HANDLER),
    regionType: module.type(REGION),
    ...options,
  });
  if (loop.size > LIMITS.loopBytes)
    throw new RangeError(`the dispatch loop has ${loop.size} bytes, more than ${LIMITS.loopBytes}`);
  module.define(run, loop);
  for (const [name, left] of [
    ['noRegion', 0],
    ['skipRegion', LEFT.skip],
  ] as const) {
    const nothing = new Code(1);
    nothing.i32(left);
    const at = module.declare(name, REGION);
    module.define(at, nothing);
    module.export(name, at);
  }
  module.export('run', run);
  for (const r of ROUTINES) module.export(r.name, functionIndex(r.name));

  const order = [...inline, ...variants.map(({ entry }) => entry), ...called];
  const position = new Map<Unique, number>();
  for (const [i, entry] of order.entries()) if (!position.has(entry)) position.set(entry, i + SPECIAL_COUNT);
  const shapedBy = (shape: SimpleShape): number[] => {
    const table = Array.from({ length: SPECIAL_COUNT + order.length }, (_, i) => i);
    for (const [i, variant] of variants.entries())
      if (variant.shape === shape) table[position.get(variant.entry) as number] = SPECIAL_COUNT + inline.length + i;
    return table;
  };
  const numbers = numberOf.map((entry) => position.get(entry) as number);
  return {
    wasm: module.finish(),
    trees: trees.map((forms) => forms.map((tree) => renumber(tree, numbers))),
    ends: [...Array<boolean>(SPECIAL_COUNT).fill(true), ...order.map((entry) => entry.ends)],
    stack: [...Array<boolean>(SPECIAL_COUNT).fill(false), ...order.map((entry) => entry.stack)],
    shaped: { plain: shapedBy('plain'), indexed: shapedBy('indexed') },
    names: order.map((entry) => entry.names[0] as string),
    loopBytes: loop.size,
    inlineCases: inline.length + variants.length,
  };
}

const isAddressed = (operand: Operand): boolean => operand.kind === 'mem' && (operand as VariantOperand).spec.source === 'rm';

interface Unique {
  readonly handler: Handler;
  readonly code: Code;
  readonly ends: boolean;
  readonly stack: boolean;
  readonly names: string[];
}

/** Handlers whose code is the same to the byte become one. */
function shareEqual(
  handlers: readonly Handler[],
  functionIndex: (name: string) => number,
): { unique: Unique[]; numberOf: Unique[] } {
  const byCode = new Map<string, Unique>();
  const numberOf = handlers.map((handler) => {
    const code = new Code(2);
    const built = buildHandler(handler);
    lower(built.statements, new FunctionFrame(code, functionIndex));
    code.i32(0);
    const key = `${built.ends}${String.fromCharCode(...code.finish())}`;
    const known = byCode.get(key);
    if (known) {
      known.names.push(handler.name);
      return known;
    }
    const entry: Unique = { handler, code, ends: built.ends, stack: built.stack, names: [handler.name] };
    byCode.set(key, entry);
    return entry;
  });
  return { unique: [...byCode.values()], numberOf };
}

function renumber(tree: HandlerTree | undefined, numbers: readonly number[]): HandlerTree | undefined {
  if (tree === undefined) return undefined;
  if (typeof tree === 'number') return numbers[tree] as number;
  return {
    fact: tree.fact,
    next: Object.fromEntries(Object.entries(tree.next).map(([value, next]) => [value, renumber(next, numbers) as HandlerTree])),
  };
}

function buildRoutine(definition: RoutineDefinition, functionIndex: (name: string) => number, regionType: number): Code {
  const routine = new Routine(definition.parameters);
  definition.build(routine);
  const code = new Code(definition.parameters.length);
  lower(routine.ir.root, new RoutineFrame(code, functionIndex, regionType));
  zero(code, definition.result);
  return code;
}

/** Never reached, but wasm wants a value at the end of a function. */
function zero(code: Code, type: ValueType): void {
  if (type === 'i32') code.i32(0);
  else if (type === 'i64') code.i64(0n);
  else code.v128Const(0n, 0n);
}
