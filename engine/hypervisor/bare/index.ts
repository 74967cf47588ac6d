export { type BareOptions, bareCapabilities, createBareMachine } from './machine.ts';
