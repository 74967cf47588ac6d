export type { CpuHost, VcpuState } from './context.ts';
export { readFlags, writeFlags } from './flags.ts';
export { type CpuClocks, type CpuModel } from './model/model.ts';
export { CPU_MODEL_NAMES, cpuModel } from './model/models.ts';
export { createProcessor, type InterpreterImage, type Processor, type ProcessorOptions, type RunExit } from './processor.ts';
export { REQUEST, vcpuState } from './state.ts';
export { VcpuCore } from './vcpu.ts';
