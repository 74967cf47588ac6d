export type {
  Capabilities,
  ExitReason,
  Machine,
  MachineOptions,
  SavedMachine,
  Vcpu,
  VcpuExit,
} from './interface.ts';
export { IoEvents } from './io-events.ts';
export { type InterruptReport, Irqchip, interruptReport } from './irqchip/index.ts';
export {
  argumentTexts,
  COUNTER,
  COUNTER_GROUPS,
  type CounterName,
  compileWhere,
  createObservation,
  decodeField,
  describeField,
  type EntryCheck,
  type Histogram,
  MAXIMUM_LISTENERS,
  type Observation,
  PROBE,
  PROBES,
  type ProbeEvent,
  type ProbeName,
  type Translation,
  type VcpuTimes,
  type VmcsImage,
  type Walk,
  type WalkEntry,
  WhereError,
  walk,
} from './observe/index.ts';
export type {
  KvmDebugregs,
  KvmFpu,
  KvmMsrs,
  KvmRegs,
  KvmSegment,
  KvmSregs,
  KvmVcpuEvents,
  KvmXsave,
  RegisterGroup,
  RegisterGroups,
} from './registers.ts';
export { GROUP_ORDER, MP_STATE, SEGMENTS } from './registers.ts';
