export { ProcessorHost } from './host.ts';
export { createProcessorBase, createProcessorMachine, type ProcessorBase, type ProcessorMachineOptions } from './machine.ts';
export { ACTIVITY, ProcessorVcpu, type ProcessorVcpuParts } from './vcpu.ts';
