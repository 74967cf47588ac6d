export { COUNTER, COUNTER_GROUPS, type CounterName, KVMSTAT } from './counters.ts';
export { EXIT_REASONS, exitReasonName } from './exit-reasons.ts';
export { createObservation, type Observation } from './observation.ts';
export { PROBE, PROBES, type ProbeName } from './probe-table.ts';
export type { ProbeEvent, Probes } from './probes.ts';
export { decodeField, type EntryCheck, type VmcsImage } from './vmcs.ts';
export { type Translation, type Walk, type WalkEntry, walk } from './walk.ts';
