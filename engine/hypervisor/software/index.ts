export { softwareCapabilities } from './capabilities.ts';
export { createSoftwareMachine } from './machine.ts';
