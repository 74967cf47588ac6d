/**
 * The interpreter's loop: `run(cpu)` → EXIT. It executes records until the budget is used up, a request is pending at a taken branch, an
 * exception is queued, or a routine leaves. One `br_table` over the record's handler number; numbers from `inlineCases` on are functions.
 */
import type { Code, Label } from '../../wasm/code.ts';
import { FLAT_CODE } from '../derived.ts';
import { lower } from '../ir/lower.ts';
import type { Statement } from '../ir/node.ts';
import {
  BLOCK,
  CPU_JUMPS,
  EXIT,
  JUMP_ENTRIES,
  JUMP_ENTRY,
  REC,
  REC_FLAG,
  RECORD_BYTES,
  SPECIAL,
  SPECIAL_COUNT,
  STATUS,
} from '../regions.ts';
import { offsetOf, type VcpuFieldName } from '../state.ts';
import { CaseFrame, LocalPool, type LoopLabels } from './frames.ts';
import { aloneInShadow } from './interrupt-shadow.ts';
import { LoopBudget } from './loop-budget.ts';
import { PageLinks } from './page-links.ts';
import { RegionEntry } from './region-entry.ts';

export interface LoopOptions {
  /** IR of the handlers that stand in the loop, in order of their numbers. */
  readonly inline: readonly (readonly Statement[])[];
  readonly functionIndex: (name: string) => number;
  /** Type (i32 cpu, i32 record) → i32 of handler functions. */
  readonly handlerType: number;
  /** Type (i32 cpu) → i32 of regions, which stand in table 0; handlers stand in table 1. */
  readonly regionType: number;
  /** Host address of an array of u32: executions by handler number are counted there. For profiles only. */
  readonly profileAt?: number;
}

const CPU = 0;
/** RFLAGS.TF. */
const TRAP_FLAG = 0x100;

export function buildDispatchLoop(code: Code, options: LoopOptions): void {
  new LoopWriter(code, options).write();
}

class LoopWriter {
  readonly #code: Code;
  readonly #options: LoopOptions;
  readonly #record: number;
  readonly #budget: LoopBudget;
  readonly #status: number;
  readonly #block: number;
  readonly #found: number;
  readonly #entry: number;
  readonly #rip: number;
  readonly #linear: number;
  /** Not 0: the instruction before holds interrupts back. */
  readonly #shadow: number;
  readonly #region: RegionEntry;
  readonly #links: PageLinks;

  constructor(code: Code, options: LoopOptions) {
    this.#code = code;
    this.#options = options;
    this.#record = code.local('i32');
    this.#budget = new LoopBudget(code, this.#record);
    this.#status = code.local('i32');
    this.#block = code.local('i32');
    this.#found = code.local('i32');
    this.#entry = code.local('i32');
    this.#rip = code.local('i64');
    this.#linear = code.local('i64');
    this.#shadow = code.local('i32');
    this.#region = new RegionEntry(code, {
      functionIndex: options.functionIndex,
      regionType: options.regionType,
      locals: { rip: this.#rip, budget: this.#budget, record: this.#record, status: this.#status, shadow: this.#shadow },
    });
    this.#links = new PageLinks(code, {
      rip: this.#rip,
      linear: this.#linear,
      record: this.#record,
      found: this.#found,
      entry: this.#entry,
    });
  }

  write(): void {
    const code = this.#code;
    this.#budget.load();
    this.#load('i64.load', 'rip', this.#rip);
    const outer = code.loop(); // to the top with RIP set: look the block up
    const known = code.block();
    const lookup = code.block();
    // the first turn has RIP and no record
    code.get(this.#record);
    code.op('i32.eqz');
    code.brIf(lookup);
    const next = code.loop();
    const branch = code.block();
    const takeRel = code.block();
    const status = code.block();
    const fault = code.block();
    this.#atLimit();
    this.#cases({
      next,
      fault,
      takeRel,
      branch,
      status,
      recordLocal: this.#record,
      ripLocal: this.#rip,
      statusLocal: this.#status,
    });
    code.end(); // fault
    this.#fault(branch);
    code.end(); // status
    this.#serveStatus({ next, branch, takeRel });
    code.end(); // takeRel
    this.#takeRelative({ next, lookup, known }, outer);
    code.end(); // branch
    this.#budget.settle('retired');
    code.br(lookup);
    code.end(); // next
    code.end(); // lookup
    this.#lookUp(outer);
    code.end(); // known
    this.#enter(outer);
    code.br(outer);
    code.end();
    code.i32(EXIT.limit);
  }

  #atLimit(): void {
    const code = this.#code;
    this.#budget.isAtLimit();
    code.if(undefined, false);
    this.#currentIp();
    this.#budget.settle('not retired');
    this.#leave(EXIT.limit);
    code.end();
  }

  #cases(labels: LoopLabels): void {
    const code = this.#code;
    const { inline, functionIndex, handlerType } = this.#options;
    const count = SPECIAL_COUNT + inline.length;
    const otherwise = code.block();
    const cases: Label[] = [];
    for (let i = count - 1; i >= 0; i--) cases[i] = code.block();
    this.#profile();
    code.get(this.#record);
    code.memory('i32.load16_u', REC.op);
    code.brTable(cases, otherwise);
    code.end();
    this.#special(SPECIAL.stale, labels);
    code.end();
    this.#special(SPECIAL.fall, labels);
    code.end();
    this.#raise(labels);
    const pool = new LocalPool(code);
    for (const statements of inline) {
      code.end();
      lower(statements, new CaseFrame(code, functionIndex, labels, pool, RECORD_BYTES));
    }
    code.end(); // otherwise
    code.get(CPU);
    code.get(this.#record);
    code.get(this.#record);
    code.memory('i32.load16_u', REC.op);
    code.i32(count);
    code.op('i32.sub');
    code.callIndirect(handlerType, 1);
    code.tee(this.#status);
    code.brIf(labels.status);
    code.get(this.#record);
    code.i32(RECORD_BYTES);
    code.op('i32.add');
    code.set(this.#record);
    code.br(labels.next);
  }

  #profile(): void {
    const { profileAt } = this.#options;
    if (profileAt === undefined) return;
    const code = this.#code;
    const slot = (): void => {
      code.get(this.#record);
      code.memory('i32.load16_u', REC.op);
      code.i32(2);
      code.op('i32.shl');
    };
    slot();
    slot();
    code.memory('i32.load', profileAt);
    code.i32(1);
    code.op('i32.add');
    code.memory('i32.store', profileAt);
  }

  /** Records that are no instruction: continue at their address through the lookup. */
  #special(_kind: number, labels: LoopLabels): void {
    this.#budget.giveBack();
    this.#currentIp();
    this.#code.br(labels.branch);
  }

  /** The bytes do not decode: the vector is the immediate; an error code of 0 where the exception has one (#GP). */
  #raise(labels: LoopLabels): void {
    const code = this.#code;
    const store = (name: VcpuFieldName, value: () => void, op: 'i32.store' | 'i32.store8'): void => {
      code.get(CPU);
      value();
      code.memory(op, offsetOf(name));
    };
    const vector = (): void => {
      code.get(this.#record);
      code.memory('i32.load', REC.immediate);
    };
    store('excVector', vector, 'i32.store8');
    store(
      'excHasError',
      () => {
        vector();
        code.i32(13);
        code.op('i32.eq');
      },
      'i32.store8',
    );
    store('excError', () => code.i32(0), 'i32.store');
    store('excPending', () => code.i32(1), 'i32.store');
    code.br(labels.fault);
  }

  #serveStatus(labels: { next: Label; branch: Label; takeRel: Label }): void {
    const code = this.#code;
    const is = (status: number, then: () => void): void => {
      code.get(this.#status);
      code.i32(status);
      code.op('i32.eq');
      code.if();
      then();
      code.end();
    };
    code.get(this.#status);
    code.i32(STATUS.takeRel);
    code.op('i32.eq');
    code.brIf(labels.takeRel);
    is(STATUS.fault, () => this.#fault(labels.branch));
    is(STATUS.branch, () => {
      this.#load('i64.load', 'rip', this.#rip);
      code.br(labels.branch);
    });
    is(STATUS.repeat, () => {
      // Traps are taken between the repetitions of a string instruction.
      code.get(CPU);
      code.memory('i32.load', offsetOf('debugTraps'));
      code.get(CPU);
      code.memory('i32.load', offsetOf('sysFlags'));
      code.i32(TRAP_FLAG);
      code.op('i32.and');
      code.op('i32.or');
      code.if();
      this.#currentIp();
      this.#budget.settle('not retired');
      this.#leave(EXIT.repeat);
      code.end();
      this.#pollAt(() => {
        this.#currentIp();
        this.#budget.settle('not retired');
      });
      code.br(labels.next);
    });
    is(STATUS.leave, () => {
      this.#load('i64.load', 'rip', this.#rip);
      this.#budget.settle('retired');
      this.#leave(EXIT.leave);
    });
    is(STATUS.shadow, () => {
      this.#budget.settle('retired');
      code.get(CPU);
      this.#budget.instructions();
      code.memory('i32.store', offsetOf('shadowBudget'));
      code.i32(1);
      code.set(this.#shadow);
    });
    this.#ripOf('next');
    code.br(labels.branch);
  }

  /** The instruction has queued an exception: on to its handler where that is simple. */
  #fault(branch: Label): void {
    const code = this.#code;
    this.#budget.giveBack();
    this.#currentIp();
    this.#storeRip();
    code.get(CPU);
    code.call(this.#options.functionIndex('deliverPageFault'));
    code.if();
    code.i32(STATUS.branch);
    code.set(this.#status);
    this.#load('i64.load', 'rip', this.#rip);
    code.br(branch);
    code.end();
    this.#budget.settle('retired');
    this.#leave(EXIT.fault);
  }

  /** The next instruction cannot be fetched: a fault is queued, or all blocks are gone. RIP and budget are stored. */
  #fetchFault(outer: Label): void {
    const code = this.#code;
    code.get(CPU);
    code.call(this.#options.functionIndex('deliverPageFault'));
    code.if();
    this.#region.goOn(outer);
    code.end();
    code.i32(EXIT.lookupFault);
    code.return();
  }

  /** Taken direct branch: by the record's link, else through the lookup. */
  #takeRelative({ next, lookup, known }: Record<'next' | 'lookup' | 'known', Label>, outer: Label): void {
    const code = this.#code;
    const searchAndLink = (): void => {
      code.i32(STATUS.takeRel);
      code.set(this.#status);
      code.br(lookup);
    };
    code.i32(STATUS.next);
    code.set(this.#status);
    this.#budget.settle('retired');
    code.get(CPU);
    code.memory('i64.load', offsetOf('ripBase'));
    code.get(this.#record);
    code.memory('i64.load16_u', REC.nextIp);
    code.op('i64.add');
    code.get(this.#record);
    code.memory('i64.load32_s', REC.immediate);
    code.op('i64.add');
    code.get(CPU);
    code.get(this.#record);
    code.memory('i32.load16_u', REC.mask);
    code.op('i32.add');
    code.memory('i64.load', 0);
    code.op('i64.and');
    code.set(this.#rip);
    // A linked target is in this page, and canonical like this instruction, or was fetched. Legacy segments end anywhere, but for flat code.
    code.get(this.#record);
    code.memory('i32.load', REC.link);
    code.tee(this.#found);
    code.op('i32.eqz');
    code.get(CPU);
    code.memory('i32.load', offsetOf('modeKey'));
    code.i32(FLAT_CODE);
    code.op('i32.and');
    code.op('i32.eqz');
    code.op('i32.or');
    code.if();
    code.get(CPU);
    code.get(this.#rip);
    code.call(this.#options.functionIndex('checkTarget'));
    code.if();
    this.#currentIp();
    this.#budget.settle('not retired');
    this.#leave(EXIT.fault);
    code.end();
    code.get(this.#found);
    code.op('i32.eqz');
    code.if();
    searchAndLink();
    code.end();
    code.end();
    this.#pollAt(() => undefined);
    code.get(this.#record);
    code.memory('i32.load8_u', REC.flags);
    code.i32(REC_FLAG.samePage);
    code.op('i32.and');
    code.op('i32.eqz');
    code.if();
    this.#links.isWhereFound();
    code.brIf(known);
    searchAndLink();
    code.end();
    this.#generationFits(this.#found);
    code.op('i32.eqz');
    code.if();
    searchAndLink();
    code.end();
    this.#region.enter(this.#found, outer);
    code.get(this.#found);
    code.set(this.#block);
    this.#budget.begin(this.#found);
    code.br(next);
  }

  /** RIP is set; find its block, or leave. */
  #lookUp(outer: Label): void {
    const code = this.#code;
    this.#pollAt(() => undefined);
    this.#budget.isSpent();
    code.if();
    this.#leave(EXIT.limit);
    code.end();
    this.#links.linearOfRip();
    code.op('i32.wrap_i64');
    code.get(this.#linear);
    code.i64(12n);
    code.op('i64.shr_u');
    code.op('i32.wrap_i64');
    code.op('i32.xor');
    code.i32(JUMP_ENTRIES - 1);
    code.op('i32.and');
    code.i32(4);
    code.op('i32.shl');
    code.get(CPU);
    code.op('i32.add');
    code.set(this.#entry);
    const miss = code.block();
    const hit = code.block();
    code.get(this.#entry);
    code.memory('i64.load', CPU_JUMPS + JUMP_ENTRY.linear);
    code.get(this.#linear);
    code.op('i64.ne');
    code.brIf(hit);
    code.get(this.#entry);
    code.memory('i32.load', CPU_JUMPS + JUMP_ENTRY.key);
    code.tee(this.#found);
    code.get(CPU);
    code.memory('i32.load', offsetOf('jumpKey'));
    code.op('i32.ne');
    code.get(this.#found);
    code.get(CPU);
    code.memory('i32.load', offsetOf('globalJumpKey'));
    code.op('i32.ne');
    code.op('i32.and');
    code.brIf(hit);
    code.get(this.#entry);
    code.memory('i32.load', CPU_JUMPS + JUMP_ENTRY.block);
    code.set(this.#found);
    this.#generationsFit(this.#found);
    code.brIf(miss);
    code.end();
    this.#storeRip();
    this.#budget.store();
    code.get(CPU);
    code.call(this.#options.functionIndex('lookup'));
    code.tee(this.#found);
    code.op('i32.eqz');
    code.if();
    this.#fetchFault(outer);
    code.end();
    code.end();
    this.#link();
  }

  /** On with the block that was found at RIP. */
  #enter(outer: Label): void {
    const code = this.#code;
    aloneInShadow(code, {
      inline: this.#options.inline,
      shadow: this.#shadow,
      block: this.#found,
      scratch: this.#entry,
      leave: () => this.#leave(EXIT.leave),
    });
    this.#region.enter(this.#found, outer);
    code.get(this.#found);
    code.set(this.#block);
    this.#budget.begin(this.#found);
    code.get(CPU);
    code.get(this.#rip);
    code.get(this.#block);
    code.memory('i64.load32_u', BLOCK.first);
    code.op('i64.sub');
    code.memory('i64.store', offsetOf('ripBase'));
  }

  /** A direct branch goes straight to the block next time. */
  #link(): void {
    const code = this.#code;
    code.get(this.#status);
    code.i32(STATUS.takeRel);
    code.op('i32.eq');
    code.if();
    code.i32(STATUS.next);
    code.set(this.#status);
    this.#links.link(this.#block, () => this.#generationFits(this.#found));
    code.else();
    this.#noteSource();
    code.end();
  }

  /** A block or region has ended in a computed jump: the JIT asks where such jumps lead. Without a record, a region was left. */
  #noteSource(): void {
    const code = this.#code;
    code.get(CPU);
    code.memory('i32.load', offsetOf('jumpSource'));
    code.set(this.#entry);
    code.get(this.#block);
    code.get(this.#entry);
    code.get(this.#record);
    code.select();
    code.tee(this.#entry);
    code.if();
    code.get(this.#found);
    code.get(this.#entry);
    code.memory('i32.store', BLOCK.source);
    code.get(CPU);
    code.i32(0);
    code.memory('i32.store', offsetOf('jumpSource'));
    code.end();
  }

  /** Is the block's first page as it was when the block was decoded? All there is to ask of blocks that are linked. */
  #generationFits(block: number, at: number = BLOCK.generationAt, generation: number = BLOCK.generation): void {
    const code = this.#code;
    code.get(block);
    code.memory('i32.load', at);
    code.memory('i32.load', 0);
    code.get(block);
    code.memory('i32.load', generation);
    code.op('i32.eq');
  }

  #generationsFit(block: number): void {
    this.#generationFits(block);
    this.#generationFits(block, BLOCK.generationAt2, BLOCK.generation2);
    this.#code.op('i32.and');
  }

  /** Leave when a request is pending; `place` sets RIP where it is not set yet. */
  #pollAt(place: () => void): void {
    const code = this.#code;
    code.get(CPU);
    code.memory('i32.load', offsetOf('request'));
    code.get(CPU);
    code.memory('i32.load', offsetOf('pollMask'));
    code.op('i32.and');
    code.if();
    place();
    this.#leave(EXIT.poll);
    code.end();
  }

  /** RIP of the current record's instruction. */
  #currentIp(): void {
    this.#ripOf('current');
  }

  #ripOf(which: 'current' | 'next'): void {
    const code = this.#code;
    code.get(CPU);
    code.memory('i64.load', offsetOf('ripBase'));
    code.get(this.#record);
    code.memory('i64.load16_u', REC.nextIp);
    code.op('i64.add');
    if (which === 'current') {
      code.get(this.#record);
      code.memory('i64.load8_u', REC.length);
      code.op('i64.sub');
    }
    code.set(this.#rip);
  }

  #storeRip(): void {
    const code = this.#code;
    code.get(CPU);
    code.get(this.#rip);
    code.memory('i64.store', offsetOf('rip'));
  }

  #leave(exit: number): void {
    const code = this.#code;
    if (exit === EXIT.fault) {
      code.get(CPU);
      code.get(this.#record);
      code.memory('i32.store', offsetOf('faultRecord'));
    }
    this.#storeRip();
    this.#budget.store();
    code.i32(exit);
    code.return();
  }

  #load(op: 'i32.load' | 'i64.load', name: VcpuFieldName, local: number): void {
    this.#code.get(CPU);
    this.#code.memory(op, offsetOf(name));
    this.#code.set(local);
  }
}
