export { COUNTER, COUNTER_GROUPS, type CounterName, KVMSTAT } from './counters.ts';
export { createObservation, type Observation } from './observation.ts';
export { PROBE, PROBES, type ProbeName } from './probe-table.ts';
export type { ProbeEvent, Probes } from './probes.ts';
