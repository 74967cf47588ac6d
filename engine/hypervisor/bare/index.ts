export { bareCapabilities } from './capabilities.ts';
export { type BareOptions, createBareMachine } from './machine.ts';
