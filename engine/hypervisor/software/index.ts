export { createSoftwareMachine, softwareCapabilities } from './machine.ts';
