export type {
  BackendName,
  Capabilities,
  ExitReason,
  Machine,
  MachineOptions,
  SavedMachine,
  Vcpu,
  VcpuExit,
} from './interface.ts';
export { type IoEvent, type IoEventOptions, IoEvents } from './io-events.ts';
export { GSIS, type GsiLine, type GsiRoute, IOAPIC_BASE, Irqchip, type IrqchipHost, type SavedIrqchip } from './irqchip/index.ts';
export type {
  KvmDebugregs,
  KvmDtable,
  KvmFpu,
  KvmLapicState,
  KvmMpState,
  KvmMsrs,
  KvmRegs,
  KvmSegment,
  KvmSregs,
  KvmVcpuEvents,
  KvmXcrs,
  RegisterGroup,
  RegisterGroups,
} from './registers.ts';
export { GROUP_ORDER, MP_STATE, SEGMENTS } from './registers.ts';
