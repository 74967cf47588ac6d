export { bareCapabilities } from './capabilities.ts';
export { createBareMachine } from './machine.ts';
