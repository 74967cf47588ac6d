export { softwareCapabilities } from './capabilities.ts';
export { vmcsOfImage } from './exit-images.ts';
export { createSoftwareMachine } from './machine.ts';
