export { type CpuHost, GuestFault, type SlowContext, type VcpuState } from './context.ts';
export { FLAG, readFlags, writeFlags } from './flags.ts';
export { CPU_MODEL_NAMES, cpuModel } from './model/models.ts';
export { createProcessor, type InterpreterImage, type Processor } from './processor.ts';
export { GENERAL_REGISTERS, vcpuState } from './state.ts';
export { readMsr, writeMsr } from './system/msr.ts';
export { initVcpu, startVcpu } from './system/reset.ts';
export type { VcpuCore } from './vcpu.ts';
export { entryChecks, inspectVmcs } from './vmx/inspect.ts';
