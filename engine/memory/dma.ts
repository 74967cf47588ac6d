import type { Views } from '../state/index.ts';
import { forgetCodeOf } from './code-pages.ts';
import type { DirtyLog } from './dirty-log.ts';
import { FIXED, type MemoryMap, PAGE, PHYS, PHYSICAL_END } from './map.ts';

const PHYSICAL_PAGES = PHYSICAL_END / PAGE;

/**
 * How devices and loaders reach guest memory: with the dirty log kept and decoded code dropped. Addresses and lengths come from guests:
 * what is not memory reads as ones and swallows writes.
 */
export class Dma {
  readonly #views: Views;
  readonly #map: MemoryMap;
  readonly #dirty: DirtyLog;

  constructor(views: Views, map: MemoryMap, dirty: DirtyLog) {
    this.#views = views;
    this.#map = map;
    this.#dirty = dirty;
  }

  /** A copy of `length` bytes at guest-physical `gpa`. */
  read(gpa: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.#pieces(gpa, length, (entry, offset, at, count) => {
      if ((entry & (PHYS.RAM | PHYS.ROM)) === 0) bytes.fill(0xff, at, at + count);
      else bytes.set(this.#views.u8.subarray(hostPage(entry) + offset, hostPage(entry) + offset + count), at);
    });
    return bytes;
  }

  /** Writes `bytes` to RAM at `gpa`; ROM stays as it is. */
  write(gpa: number, bytes: Uint8Array): void {
    this.#store(gpa, bytes, PHYS.RAM);
  }

  /** As `write`, into ROM too: for whoever puts the firmware there. */
  load(gpa: number, bytes: Uint8Array): void {
    this.#store(gpa, bytes, PHYS.RAM | PHYS.ROM);
  }

  /** Writes `bytes` at `hva`, inside one page of the machine's memory: for a debugger, while all vCPUs stand still. */
  patch(hva: number, bytes: Uint8Array): void {
    this.#views.u8.set(bytes, hva);
    this.#dirty.mark(hva);
    this.#forgetCode(hva);
  }

  /** Where the byte at `gpa` lies; undefined where there is neither RAM nor ROM. */
  hostAddress(gpa: bigint): number | undefined {
    if (gpa >= BigInt(PHYSICAL_END)) return undefined;
    const entry = this.#views.u32[(FIXED.physTable >>> 2) + Number(gpa >> 12n)] as number;
    return (entry & (PHYS.RAM | PHYS.ROM)) === 0 ? undefined : hostPage(entry) + Number(gpa & 0xfffn);
  }

  /** The 32-bit little-endian word at `gpa`. */
  read32(gpa: number): number {
    if (gpa % 4 === 0 && gpa >= 0 && gpa < PHYSICAL_END) {
      const { u32 } = this.#views;
      const entry = u32[(FIXED.physTable >>> 2) + Math.floor(gpa / PAGE)] as number;
      return (entry & (PHYS.RAM | PHYS.ROM)) === 0 ? 0xffff_ffff : (u32[(hostPage(entry) + (gpa % PAGE)) >>> 2] as number);
    }
    const bytes = this.read(gpa, 4);
    return new DataView(bytes.buffer).getUint32(0, true);
  }

  write32(gpa: number, value: number): void {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    this.write(gpa, bytes);
  }

  /** Whether all of a range is RAM. */
  isRam(gpa: number, length: number): boolean {
    let ram = true;
    this.#pieces(gpa, length, (entry) => {
      ram &&= (entry & PHYS.RAM) !== 0;
    });
    return ram;
  }

  /**
   * Adds the bytes of a range to `to.parts`, in place: for back ends that move them without a copy. What is not memory (or ROM, when
   * `write`) is scratch: it swallows writes and reads as ones. Whoever has written calls `touched`.
   */
  inPlace(gpa: number, length: number, to: { readonly write: boolean; readonly parts: Uint8Array[] }): void {
    const kinds = to.write ? PHYS.RAM : PHYS.RAM | PHYS.ROM;
    this.#runs(gpa, length, kinds, (hva, count) => {
      if (hva >= 0) to.parts.push(this.#views.u8.subarray(hva, hva + count));
      else to.parts.push(to.write ? new Uint8Array(count) : new Uint8Array(count).fill(0xff));
    });
  }

  /** A back end has written into a range in place: the dirty log has it, and code decoded from it is dropped. */
  touched(gpa: number, length: number): void {
    this.#runs(gpa, length, PHYS.RAM, (hva, count) => {
      const first = hva >>> 12;
      const pages = ((hva + count - 1) >>> 12) - first + 1;
      this.#dirty.markPages(hva, pages);
      // The bytes are in place before the masks are looked at: one fence for all of them.
      const { i32 } = this.#views;
      const info = this.#map.pageInfo >>> 2;
      Atomics.or(i32, info, 0);
      for (let page = first; page < first + pages; page++) {
        if (((i32[info + page * 4] as number) | (i32[info + page * 4 + 1] as number)) !== 0) this.#forgetPage(page);
      }
    });
  }

  #store(gpa: number, bytes: Uint8Array, kinds: number): void {
    this.#pieces(gpa, bytes.length, (entry, offset, at, count) => {
      if ((entry & kinds) === 0) return;
      const hva = hostPage(entry) + offset;
      this.#views.u8.set(bytes.subarray(at, at + count), hva);
      this.#dirty.mark(hva);
      this.#forgetCode(hva);
    });
  }

  /** Decoded code of a page written behind the processor's back is stale. The bytes are in place before the mask is looked at. */
  #forgetCode(hva: number): void {
    Atomics.or(this.#views.i32, (this.#map.pageInfo >>> 2) + (hva >>> 12) * 4, 0);
    this.#forgetPage(hva >>> 12);
  }

  #forgetPage(page: number): void {
    const { i32 } = this.#views;
    const info = (this.#map.pageInfo >>> 2) + page * 4;
    if (((i32[info] as number) | (i32[info + 1] as number)) === 0) return;
    forgetCodeOf(i32, page);
  }

  /** Runs of bytes that lie in a row in the machine's memory and are of one of `kinds`; -1 for what is not. */
  #runs(gpa: number, length: number, kinds: number, visit: (hva: number, count: number) => void): void {
    const { u32 } = this.#views;
    const table = FIXED.physTable >>> 2;
    let start = -1;
    let run = 0;
    let page = Math.floor(gpa / PAGE);
    let offset = gpa - page * PAGE;
    for (let left = length; left > 0; page++) {
      const count = Math.min(PAGE - offset, left);
      const entry = page >= 0 && page < PHYSICAL_PAGES ? (u32[table + page] as number) : 0;
      const hva = (entry & kinds) === 0 ? -1 : hostPage(entry) + offset;
      if (run > 0 && hva === (start < 0 ? -1 : start + run)) run += count;
      else {
        if (run > 0) visit(start, run);
        start = hva;
        run = count;
      }
      left -= count;
      offset = 0;
    }
    if (run > 0) visit(start, run);
  }

  #pieces(gpa: number, length: number, visit: (entry: number, offset: number, at: number, count: number) => void): void {
    for (let at = 0; at < length; ) {
      const address = gpa + at;
      const offset = address % PAGE;
      const count = Math.min(PAGE - offset, length - at);
      const inside = address >= 0 && address < PHYSICAL_END;
      visit(inside ? (this.#views.u32[(FIXED.physTable >>> 2) + Math.floor(address / PAGE)] as number) : 0, offset, at, count);
      at += count;
    }
  }
}

function hostPage(entry: number): number {
  return (entry & 0xfffff000) >>> 0;
}
