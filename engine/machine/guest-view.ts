/** The guest's memory and code as a debugger sees them through a vCPU, between two of its instructions. */
import { EngineError } from '../base/index.ts';
import { type Machine, type Vcpu, walk } from '../hypervisor/index.ts';
import type { AddressSpace, Answer, NextInstruction, Question } from './messages.ts';

const PAGE = 4096n;
/** Longest search of one question, in bytes. */
const MOST_SEARCHED = 16n << 20n;
const EFER_LMA = 1n << 10n;
const CR0_PE = 1n;
const CR0_PG = 1n << 31n;
const RFLAGS_VM = 1n << 17n;

export class GuestView {
  readonly #machine: Machine;
  readonly #vcpu: Vcpu;

  constructor(machine: Machine, vcpu: Vcpu) {
    this.#machine = machine;
    this.#vcpu = vcpu;
  }

  next(): NextInstruction {
    const { rip, rsp, rflags } = this.#vcpu.get('regs');
    const { cs, cr0, cr3, efer } = this.#vcpu.get('sregs');
    const long = (efer & EFER_LMA) !== 0n && cs.l !== 0;
    const bits = long ? 64 : (cr0 & CR0_PE) !== 0n && (rflags & RFLAGS_VM) === 0n && cs.db !== 0 ? 32 : 16;
    const cpl = (rflags & RFLAGS_VM) !== 0n ? 3 : (cr0 & CR0_PE) === 0n ? 0 : this.#vcpu.get('sregs').ss.dpl;
    const linear = long ? rip : BigInt.asUintN(32, rip + cs.base);
    return { linear, bits, rsp, cr3, cpl };
  }

  read({ space, address, bytes }: Extract<Question, { kind: 'memory' }>): Int16Array {
    const found = new Int16Array(bytes).fill(-1);
    this.#pieces(space, address, bytes, (at, host, length) => {
      const { u8 } = this.#machine.memory;
      for (let i = 0; i < length; i++) found[at + i] = u8[host + i] as number;
    });
    return found;
  }

  /** Fails with `memory-absent`, with nothing written. The vCPU and all others are parked. */
  write({ space, address, bytes }: Extract<Question, { kind: 'memory-set' }>): void {
    const pieces: (readonly [at: number, host: number, length: number])[] = [];
    let end = 0;
    this.#pieces(space, address, bytes.length, (at, host, length) => {
      if (at === end) pieces.push([at, host, length]);
      end = at + length;
    });
    const written = pieces.reduce((sum, [, , length]) => sum + length, 0);
    if (written < bytes.length) {
      throw new EngineError('memory-absent', { address: `0x${BigInt.asUintN(64, address + BigInt(written)).toString(16)}` });
    }
    for (const [at, host, length] of pieces) this.#machine.memory.dma.patch(host, Uint8Array.from(bytes.slice(at, at + length)));
  }

  find({ space, address, to, pattern, limit }: Extract<Question, { kind: 'memory-find' }>) {
    const found: bigint[] = [];
    const { u8 } = this.#machine.memory;
    const wanted = Uint8Array.from(pattern);
    const end = to - address > MOST_SEARCHED ? address + MOST_SEARCHED : to;
    let carry = new Uint8Array(0);
    let next: bigint | undefined = end < to ? end : undefined;
    for (let page = address; page < end && found.length < limit; page += PAGE - (page % PAGE)) {
      const length = Number(BigInt(Math.min(Number(PAGE - (page % PAGE)), Number(end - page))));
      const host = this.#host(space, page);
      if (host === undefined) {
        carry = new Uint8Array(0);
        continue;
      }
      const bytes = new Uint8Array(carry.length + length);
      bytes.set(carry);
      bytes.set(u8.subarray(host, host + length), carry.length);
      const start = page - BigInt(carry.length);
      for (let at = indexOf(bytes, wanted, 0); at >= 0; at = indexOf(bytes, wanted, at + 1)) {
        found.push(start + BigInt(at));
        if (found.length === limit) {
          next = start + BigInt(at) + 1n;
          break;
        }
      }
      carry = bytes.slice(Math.max(0, bytes.length - wanted.length + 1));
    }
    return { found, next };
  }

  /** Bytes of code up to the first that is no memory. */
  code({ gva, bytes }: Extract<Question, { kind: 'code' }>): Extract<Answer, { kind: 'code' }> {
    const next = this.next();
    const from = gva ?? next.linear;
    const found = this.read({ kind: 'memory', space: 'gva', address: from, bytes });
    const end = found.indexOf(-1);
    return { kind: 'code', next, from, bytes: Uint8Array.from(end < 0 ? found : found.subarray(0, end)) };
  }

  #pieces(space: AddressSpace, address: bigint, bytes: number, each: (at: number, host: number, length: number) => void): void {
    for (let at = 0; at < bytes; ) {
      const here = BigInt.asUintN(64, address + BigInt(at));
      const length = Math.min(bytes - at, Number(PAGE - (here % PAGE)));
      const host = this.#host(space, here);
      if (host !== undefined) each(at, host, length);
      at += length;
    }
  }

  /** Where a byte lies in the machine's memory. */
  #host(space: AddressSpace, address: bigint): number | undefined {
    const { backend, memory } = this.#machine;
    const translation = this.#vcpu.translation();
    if (space === 'hpa') return translation.hostAddress(address);
    // A guest of the guest has physical addresses of its own.
    const nested = backend === 'bare' && translation.eptPointer !== undefined;
    if (space === 'gpa' && !nested) return memory.dma.hostAddress(address);
    const sregs = this.#vcpu.get('sregs');
    // Without paging a linear address is a guest-physical one.
    const paged = space === 'gva' ? sregs : { ...sregs, cr0: sregs.cr0 & ~CR0_PG };
    const { gpa, hva } = walk({ gva: address, sregs: paged, translation, memory: memory.dv });
    // A page that the guest has not touched yet has no entry below its own tables.
    return hva ?? (gpa === undefined || nested ? undefined : memory.dma.hostAddress(gpa));
  }
}

function indexOf(bytes: Uint8Array, wanted: Uint8Array, from: number): number {
  const [first] = wanted;
  for (
    let at = bytes.indexOf(first as number, from);
    at >= 0 && at + wanted.length <= bytes.length;
    at = bytes.indexOf(first as number, at + 1)
  ) {
    if (wanted.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}
