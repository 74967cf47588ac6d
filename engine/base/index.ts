export { assert, assertNever } from './assert.ts';
export { CLOCK_BYTES, type HostNow, MachineClock } from './clock.ts';
export { DEADLINES_BYTES, Deadlines, type Timer } from './deadlines.ts';
export { Disposables } from './disposables.ts';
export { EngineError, type ErrorCode, maximumRamBytes } from './errors.ts';
export { allOnes, high32, join64, low32 } from './integers.ts';
export { Lock } from './lock.ts';
export { REQUEST, Requests, requestsBytes } from './requests.ts';
export { ByteRing, ringBytes } from './ring.ts';
