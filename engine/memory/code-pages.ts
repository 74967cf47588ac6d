import { FIXED } from './map.ts';

/** Code decoded from a host page is stale: to be called when the bytes are in place. */
export function forgetCodeOf(i32: Int32Array, hostPage: number): void {
  const info = (FIXED.pageInfo >>> 2) + hostPage * 4;
  changeGeneration(i32, hostPage);
  Atomics.store(i32, info, 0);
  Atomics.store(i32, info + 1, 0);
}

/** The same where what is noticed of writes stays as it is. */
export function changeGeneration(i32: Int32Array, hostPage: number): void {
  Atomics.add(i32, (FIXED.pageInfo >>> 2) + hostPage * 4 + 2, 1);
  Atomics.add(i32, FIXED.codeEpoch >>> 2, 1);
}
