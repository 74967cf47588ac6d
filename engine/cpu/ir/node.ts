/**
 * Intermediate representation of one handler or routine: values in single assignment, statements in program order, structured control
 * flow. It knows wasm's operators and a few guest operations that lowering expands (guest loads with their TLB probe, exits).
 */

import type { Width } from '../../isa/emitter.ts';
import type { ValueType } from '../../wasm/code.ts';
import type { AtomicOp, MemoryOp, NumericOp, SaturatingOp, SimdLaneOp, SimdOp } from '../../wasm/opcodes.ts';

/** What a node computes. Operands are in `args`. */
export type NodeOp =
  | { readonly op: 'const64'; readonly value: bigint }
  | { readonly op: 'const32'; readonly value: number }
  | { readonly op: 'constV'; readonly low: bigint; readonly high: bigint }
  | { readonly op: 'param'; readonly local: number }
  | { readonly op: 'numeric'; readonly name: NumericOp }
  | { readonly op: 'saturating'; readonly name: SaturatingOp }
  | { readonly op: 'simd'; readonly name: SimdOp }
  | { readonly op: 'lane'; readonly name: SimdLaneOp; readonly lane: number }
  | { readonly op: 'shuffle'; readonly lanes: readonly number[] }
  | { readonly op: 'select' }
  /** Host memory: processor state, records, tables. */
  | { readonly op: 'load'; readonly name: MemoryOp; readonly offset: number }
  | { readonly op: 'loadV'; readonly offset: number }
  | { readonly op: 'atomic'; readonly name: AtomicOp; readonly offset: number }
  | { readonly op: 'variable'; readonly variable: VarCell }
  /**
   * The word of the lazy flags that has carry, overflow and adjust, from the operands of a sum or difference and what it made; only where regions
   * ask for it is it taken apart. `plain`: no carry came in. `result`: the other word.
   */
  | {
      readonly op: 'carries';
      readonly of: 'sum' | 'difference';
      readonly width: Width;
      readonly plain: boolean;
      readonly result: Node;
    }
  | { readonly op: 'call'; readonly callee: string }
  /** Guest memory at a linear address; leaves the handler when it faults. */
  | { readonly op: 'guestLoad'; readonly bits: 8 | 16 | 32 | 64 | 128; readonly where?: GuestPlace }
  /** Host address of bytes that may be written, or the staging area; leaves on a fault. */
  | { readonly op: 'guestRef'; readonly bits: 8 | 16 | 32 | 64; readonly where?: GuestPlace };

/**
 * One value. `pure` depends on its operands only, `read` on state that statements may change, `effect` must be evaluated where it stands.
 */
interface NodeFields {
  readonly type: ValueType;
  readonly args: readonly Node[];
  readonly kind: 'pure' | 'read' | 'effect';
  /** Count of state changes before this node: equal epochs see the same state. */
  readonly epoch: number;
  readonly loopDepth: number;
  /** Unique among the nodes of one builder. */
  readonly id: number;
  uses: number;
  /** Needed where a region is left: kept if it cannot be computed again there. */
  kept: boolean;
  /** Places where regions are left that need it. */
  coldUses: number;
  inline: boolean;
  local: number;
  /** For whoever looks for equal nodes: the last pure one with this as an operand, the one before that, the part of a region it was made in. */
  users: Node | undefined;
  before: Node | undefined;
  scope: unknown;
}

/** `op` is that of `what`: all nodes are laid out alike, so that it is quickly read. */
type NodeOf<Op extends NodeOp> = Op extends NodeOp ? NodeFields & { readonly op: Op['op']; readonly what: Op } : never;
export type Node = NodeOf<NodeOp>;

export interface VarCell {
  readonly type: ValueType;
  local: number;
  /** Never assigned after the region's beginning, where memory holds the same. */
  readonly isMemory?: boolean;
  /** Of one with `isMemory`: somebody reads it. */
  isUsed?: boolean;
}

/** Names a block or loop of a region. */
export interface LabelCell {
  readonly name: string;
}

/**
 * A place where a region hands over to the interpreter: what has to be in the state block then. `skip`: the interpreter executes what
 * stands at RIP itself before it enters a region again; `chain`: another region may follow at once; `shadow`: interrupts are held back for
 * one more instruction.
 */
export interface LeavePoint {
  readonly how: 'again' | 'skip' | 'chain' | 'shadow';
  /** The routine (cpu, record, ...) → not 0 when it has done the instruction and set RIP: then control goes on there, otherwise as `how` says. */
  readonly first?: { readonly callee: string; readonly record: number; readonly args: readonly bigint[] };
  /** RIP, or its distance from the start of the region's page. */
  readonly rip: Node | number;
  /** Instructions retired since the budget was last brought up to date. */
  readonly retired: number;
  /** TOP of the x87 stack, counted from that at the entry of the region. */
  readonly top: number;
  /** Values of state slots by byte offset, complete once the region has been built; a cell stands for its present value. */
  readonly spills: () => readonly Spill[];
  /** An exception was queued that the interpreter will meet again. */
  readonly faulted: boolean;
}

/**
 * A guest access of a region: where it is left when the access cannot be made, which accesses it is likely to share a page with, and which it
 * has its distance to.
 */
export interface GuestPlace {
  readonly point: LeavePoint;
  readonly site: number;
  readonly member: GroupMember | undefined;
}

/** An access of a group whose addresses differ by constants: how far from the group's base, and whether it is the one that asks for all. */
export interface GroupMember {
  readonly group: AccessGroup;
  readonly distance: number;
  readonly isFirst: boolean;
}

/** Guest accesses near each other. */
export interface AccessGroup {
  /** From the base to the first byte, and to the one after the last. */
  readonly low: number;
  readonly high: number;
  readonly writes: boolean;
  readonly members: number;
  /** Host address of the first byte; 0 where it is not known. */
  readonly host: VarCell;
}

export interface Spill {
  readonly offset: number;
  readonly type: ValueType;
  readonly value: Node | VarCell | FlagWord;
  /** As those of slots (jit/slots.ts). */
  readonly bits?: 16 | undefined;
  readonly turned?: number | 'tags' | undefined;
}

/**
 * The two words of the lazy flags where paths join. A word that nothing inside the region reads there is not computed: each path leaves
 * behind what it would be computed from, and its number.
 */
export interface FlagJoin {
  readonly words: readonly FlagWord[];
  /** Holds the number of the path. */
  readonly number: VarCell;
  /** Cells of slots by what a path brought them to: values that need no cells of their own. */
  readonly slots: ReadonlyMap<Node, VarCell>[];
  /** By the path: where it brings the words from as they were there. */
  readonly through: (FlagThrough | undefined)[];
}

/** A path from one join to the next on which the flags do not change. */
export interface FlagThrough {
  readonly from: FlagJoin;
  /** Cells of slots that are assigned on it. */
  readonly assigned: ReadonlySet<VarCell>;
  /** What `from` left behind stands for what this path would. */
  isTaken: boolean;
}

export interface FlagWord {
  readonly join: FlagJoin;
  readonly paths: FlagPath[];
  /** Values that read it. */
  readonly reads: Node[];
  /** Holds the word when it is read. */
  readonly cell: VarCell;
  isRead: boolean;
  /** The region may be left where this is the word. */
  isNeeded: boolean;
}

export interface FlagLeaf {
  readonly node: Node;
  readonly cell: VarCell;
  readonly isKept: boolean;
}

export interface FlagPath {
  readonly value: Node;
  /** Values `value` is computed from, and the cells that keep them (`isKept`: as those of slots), once that is decided. */
  leaves: readonly FlagLeaf[] | undefined;
  /** Memory holds the value. */
  readonly isStored: boolean;
}

/** How control leaves a handler. */
export type Exit =
  | { readonly exit: 'finish' }
  | { readonly exit: 'fault' }
  /** RIP is the value. */
  | { readonly exit: 'branch'; readonly target: Node }
  /** Taken direct branch; the record says where. */
  | { readonly exit: 'takeRel' }
  /** Same instruction again. */
  | { readonly exit: 'repeat' }
  /** Next instruction, but through the dispatcher. */
  | { readonly exit: 'fall' }
  /** Like `fall`, and interrupts are held back for one instruction. */
  | { readonly exit: 'shadow' }
  /** A status as a called routine returned it. */
  | { readonly exit: 'status'; readonly status: Node }
  /** The region in this slot of their table runs in place of this one. */
  | { readonly exit: 'instead'; readonly cpu: Node; readonly slot: Node }
  /** A routine's results. */
  | { readonly exit: 'return'; readonly value: Node | undefined };

export type Statement =
  | { readonly s: 'def'; readonly node: Node }
  | {
      readonly s: 'store';
      readonly name: MemoryOp;
      readonly offset: number;
      readonly address: Node;
      readonly value: Node;
      readonly epoch: number;
    }
  | { readonly s: 'storeV'; readonly offset: number; readonly address: Node; readonly value: Node; readonly epoch: number }
  | {
      readonly s: 'guestStore';
      readonly bits: 8 | 16 | 32 | 64 | 128;
      readonly linear: Node;
      readonly value: Node;
      readonly epoch: number;
      readonly where?: GuestPlace;
    }
  | { readonly s: 'assign'; readonly variable: VarCell; readonly value: Node; readonly epoch: number }
  | { readonly s: 'copy'; readonly to: Node; readonly from: Node; readonly bytes: Node; readonly epoch: number }
  | { readonly s: 'fill'; readonly to: Node; readonly value: Node; readonly bytes: Node; readonly epoch: number }
  | {
      readonly s: 'if';
      readonly condition: Node;
      readonly then: Statement[];
      readonly otherwise: Statement[];
      readonly epoch: number;
      /** The condition nearly always holds, or nearly never. */
      likely?: boolean;
    }
  | {
      readonly s: 'while';
      readonly before: Statement[];
      readonly condition: Node;
      readonly body: Statement[];
      readonly epoch: number;
    }
  | { readonly s: 'exit'; readonly exit: Exit; readonly epoch: number }
  /** Regions of the JIT: a construct that `br` leaves (block) or begins again (loop). */
  | { readonly s: 'block'; readonly label: LabelCell; readonly body: Statement[] }
  | { readonly s: 'loop'; readonly label: LabelCell; readonly body: Statement[] }
  | { readonly s: 'br'; readonly label: LabelCell }
  | {
      readonly s: 'brTable';
      readonly index: Node;
      readonly labels: readonly LabelCell[];
      readonly otherwise: LabelCell;
      readonly epoch: number;
    }
  | { readonly s: 'leave'; readonly point: LeavePoint }
  /** Left where the budget is below `least` or somebody asks for something. */
  | { readonly s: 'poll'; readonly least: number; readonly point: LeavePoint }
  /** A path brings its flags to where paths join. */
  | { readonly s: 'flags'; readonly join: FlagJoin; readonly path: number; readonly epoch: number };

/** The nodes a statement evaluates itself, in order. */
export function operandsOf(statement: Statement): readonly Node[] {
  switch (statement.s) {
    case 'def':
      return statement.node.args;
    case 'store':
    case 'storeV':
      return [statement.address, statement.value];
    case 'guestStore':
      return [statement.linear, statement.value];
    case 'assign':
      return [statement.value];
    case 'copy':
      return [statement.to, statement.from, statement.bytes];
    case 'fill':
      return [statement.to, statement.value, statement.bytes];
    case 'if':
    case 'while':
      return [statement.condition];
    case 'brTable':
      return [statement.index];
    case 'exit':
      return exitOperands(statement.exit);
    case 'block':
    case 'loop':
    case 'br':
    case 'leave':
    case 'poll':
      return [];
    case 'flags':
      return statement.join.words.flatMap(({ isRead, paths }) => (isRead ? [(paths[statement.path] as FlagPath).value] : []));
  }
}

function exitOperands(exit: Exit): readonly Node[] {
  switch (exit.exit) {
    case 'branch':
      return [exit.target];
    case 'status':
      return [exit.status];
    case 'instead':
      return [exit.cpu, exit.slot];
    case 'return':
      return exit.value ? [exit.value] : [];
    default:
      return [];
  }
}
