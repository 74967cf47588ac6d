/** Guest memory in regions: where the host address of an access comes from, and what is done with it. */
import type { Code, ValueType } from '../../wasm/code.ts';
import type { AccessGroup, GuestPlace, LeavePoint, VarCell } from '../ir/node.ts';
import { CPU_SITES, CPU_TLB, SITES, TLB_ENTRIES, TLB_ENTRY, TLB_ENTRY_BYTES } from '../regions.ts';
import { offsetOf } from '../state.ts';

/** The parameter of a region. */
const CPU = 0;
const PAGE = 4096;
const [CONTEXT, EXCLUSIVE] = [offsetOf('context'), offsetOf('exclusive')];

export interface Access {
  readonly bits: 8 | 16 | 32 | 64 | 128;
  readonly write: boolean;
  readonly where: GuestPlace;
  /** The local that holds the linear address; it may have to be computed first. */
  readonly linear: () => number;
  /** Takes a host address less `offset` from the stack and leaves a value of `type`. */
  readonly use: (offset: number) => void;
  readonly type: ValueType | undefined;
}

/** What a probe asks about: bytes from the address in a local. */
interface Span {
  readonly linear: number;
  readonly bytes: number;
  readonly write: boolean;
}

export interface ReachFrame {
  readonly code: Code;
  /** As `RegionMode.cpu`. */
  readonly cpu: number;
  readonly loopDepth: number;
  local(type: ValueType): number;
  /** The local of a cell that outlives the present construct. */
  permanent(cell: VarCell): number;
  functionIndex(name: string): number;
  leave(point: LeavePoint): void;
  /** What `body` keeps in locals is forgotten after it. */
  aside(body: () => void): void;
}

/**
 * What is done with a host address is done on each of the paths to it: where they have joined, V8 would do a load once more for each of its
 * instructions that has the load as an operand.
 */
export class Reach {
  readonly #frame: ReachFrame;
  readonly #code: Code;
  /** Groups whose first access has been made, with the number of those to come. */
  readonly #open = new Map<AccessGroup, number>();

  constructor(frame: ReachFrame) {
    this.#frame = frame;
    this.#code = frame.code;
  }

  access(access: Access): void {
    const member = access.where.member;
    if (member === undefined || member.group.members === 1) return this.#alone(access);
    const { group, distance, isFirst } = member;
    if (isFirst) {
      this.#open.set(group, group.members - 1);
      return this.#first(access, group, distance);
    }
    const left = (this.#open.get(group) as number) - 1;
    if (left > 0) this.#open.set(group, left);
    else this.#open.delete(group);
    const code = this.#code;
    const host = this.#frame.permanent(group.host);
    code.get(host);
    code.if(access.type, true);
    code.get(host);
    access.use(distance - group.low);
    code.else();
    this.#frame.aside(() => this.#touch(access, access.linear()));
    code.end();
  }

  /** First, in loops, the page that accesses of this kind met last, then the TLB, then the page walk. */
  #alone(access: Access): void {
    const code = this.#code;
    const { bits, where, type } = access;
    const linear = access.linear();
    const place = this.#placeOf(where, access.write);
    if (place === undefined) return this.#probe(access, linear, undefined);
    // Only a naturally aligned access is sure to lie in one page; others ask the TLB.
    this.#isAtPlace(place, linear, -PAGE | (bits / 8 - 1));
    code.if(type, true);
    this.#hostAtPlace(place, linear);
    access.use(0);
    code.else();
    this.#probe(access, linear, place);
    code.end();
  }

  /** The first access of a group asks for all of it, and where that fails, for itself. */
  #first(access: Access, group: AccessGroup, distance: number): void {
    const code = this.#code;
    const { where, type } = access;
    const host = this.#frame.permanent(group.host);
    const linear = access.linear();
    const offset = distance - group.low;
    const first = this.#less(linear, offset);
    const span: Span = { linear: first, bytes: group.high - group.low, write: group.writes };
    const place = this.#placeOf(where, group.writes);
    const take = (): void => {
      code.tee(host);
      access.use(offset);
    };
    const done = code.block(type);
    if (place !== undefined) {
      const elsewhere = code.block();
      this.#isAtPlace(place, first, -PAGE);
      code.op('i32.eqz');
      code.brIf(elsewhere, false);
      code.get(first);
      code.op('i32.wrap_i64');
      code.i32(PAGE - 1);
      code.op('i32.and');
      code.i32(PAGE - span.bytes);
      code.op('i32.gt_u');
      code.brIf(elsewhere, false);
      this.#hostAtPlace(place, first);
      take();
      code.br(done);
      code.end();
    }
    const entry = this.#isInTlb(span, place !== undefined);
    code.if(type, true);
    if (place !== undefined) this.#note(place, entry);
    this.#hostInTlb(first, entry.slot);
    take();
    code.else();
    this.#touch(access, linear);
    code.end();
    code.end();
  }

  /** The local with an address and bytes before it. */
  #less(linear: number, bytes: number): number {
    if (bytes === 0) return linear;
    const code = this.#code;
    const local = this.#frame.local('i64');
    code.get(linear);
    code.i64(-bytes);
    code.op('i64.add');
    code.set(local);
    return local;
  }

  /** Where pages are remembered, in loops. */
  #placeOf({ site }: GuestPlace, write: boolean): number | undefined {
    if (site === 0 || this.#frame.loopDepth === 0) return undefined;
    return write ? site + SITES.writes : site;
  }

  #isAtPlace(place: number, linear: number, mask: number): void {
    const code = this.#code;
    code.get(linear);
    code.i64(mask);
    code.op('i64.and');
    this.#context();
    code.op('i64.xor');
    code.get(CPU);
    code.memory('i64.load', CPU_SITES + SITES.tag + 8 * place);
    code.op('i64.eq');
  }

  #hostAtPlace(place: number, linear: number): void {
    const code = this.#code;
    code.get(linear);
    code.op('i32.wrap_i64');
    code.get(CPU);
    code.memory('i32.load', CPU_SITES + SITES.addend + 4 * place);
    code.op('i32.add');
  }

  /** TLB context: in memory, as an operand of what needs it, and not in one of the few registers. */
  #context(): void {
    this.#code.get(CPU);
    this.#code.memory('i64.load', CONTEXT);
  }

  /**
   * Leaves whether the TLB has the page of the span's first byte, and that is the page of its last one. The entry's tag is loaded last: V8 would
   * load it twice if anything came between that and the comparison.
   */
  #isInTlb({ linear, bytes, write }: Span, keepsTag: boolean): { slot: number; tag: number } {
    const code = this.#code;
    const slot = this.#frame.local('i32');
    code.get(linear);
    if (bytes > 1) {
      code.i64(bytes - 1);
      code.op('i64.add');
    }
    code.i64(-PAGE);
    code.op('i64.and');
    this.#context();
    code.op('i64.or');
    const tag = keepsTag ? this.#frame.local('i64') : -1;
    if (keepsTag) code.tee(tag);
    code.get(linear);
    code.op('i32.wrap_i64');
    code.i32(7);
    code.op('i32.shr_u');
    code.i32((TLB_ENTRIES - 1) * TLB_ENTRY_BYTES);
    code.op('i32.and');
    code.tee(slot);
    code.memory('i64.load', this.#frame.cpu + CPU_TLB + (write ? TLB_ENTRY.writeTag : TLB_ENTRY.readTag));
    code.op('i64.eq');
    return { slot, tag };
  }

  #hostInTlb(linear: number, slot: number): void {
    const code = this.#code;
    code.get(linear);
    code.op('i32.wrap_i64');
    code.get(slot);
    code.memory('i32.load', this.#frame.cpu + CPU_TLB + TLB_ENTRY.addend);
    code.op('i32.add');
  }

  #probe(access: Access, linear: number, place: number | undefined): void {
    const code = this.#code;
    const { write, bits } = access;
    const bytes = bits / 8;
    const entry = this.#isInTlb({ linear, bytes, write }, place !== undefined);
    code.if(access.type, true);
    if (place !== undefined) this.#note(place, entry);
    this.#hostInTlb(linear, entry.slot);
    access.use(0);
    code.else();
    this.#touch(access, linear);
    code.end();
  }

  /** By the routine, which asks the TLB itself: less code, where a question asked here is seldom answered. */
  #touch(access: Access, linear: number): void {
    const code = this.#code;
    const { write, bits } = access;
    // The walk may replace entries: who walks again where the interpreter does must ask again.
    for (const { host } of this.#open.keys()) {
      code.i32(0);
      code.set(this.#frame.permanent(host));
    }
    code.get(CPU);
    code.get(linear);
    code.i64(bits / 8);
    code.call(this.#frame.functionIndex(write ? 'touchWrite' : 'touchRead'));
    this.#orLeave(access);
    access.use(0);
  }

  /**
   * Leaves where the host address on the stack is 0. V8 takes nothing for granted of the upper half of what a call returns, and would clear that
   * of an address that others join again, on the quick path too; of a disjunction (with a word that is 0 in regions) it knows.
   */
  #orLeave({ where, type }: Access): void {
    const code = this.#code;
    const host = this.#frame.local('i32');
    code.tee(host);
    code.op('i32.eqz');
    code.if(undefined, false);
    this.#frame.leave(where.point);
    code.end();
    code.get(host);
    if (type !== 'i32') return;
    code.get(CPU);
    code.memory('i32.load', EXCLUSIVE);
    code.op('i32.or');
  }

  /** The place has met the page of this TLB entry. */
  #note(place: number, { slot, tag }: { slot: number; tag: number }): void {
    const code = this.#code;
    code.get(CPU);
    code.get(tag);
    code.memory('i64.store', CPU_SITES + SITES.tag + 8 * place);
    code.get(CPU);
    code.get(slot);
    code.memory('i32.load', this.#frame.cpu + CPU_TLB + TLB_ENTRY.addend);
    code.memory('i32.store', CPU_SITES + SITES.addend + 4 * place);
    code.get(CPU);
    code.i32(1);
    code.memory('i32.store', CPU_SITES + SITES.known);
  }
}
