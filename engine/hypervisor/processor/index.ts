export { ProcessorHost } from './host.ts';
export { restoreMachine, saveMachine } from './saved.ts';
export { ACTIVITY, ProcessorVcpu, type ProcessorVcpuParts } from './vcpu.ts';
