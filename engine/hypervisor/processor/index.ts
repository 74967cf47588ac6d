export { ProcessorHost } from './host.ts';
export { createProcessorBase, createProcessorMachine, type ProcessorMachineOptions } from './machine.ts';
export { ACTIVITY, ProcessorVcpu, type ProcessorVcpuParts } from './vcpu.ts';
