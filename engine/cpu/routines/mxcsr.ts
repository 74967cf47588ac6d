import type { Bool } from '../../isa/emitter.ts';
import type { Routine } from './routine.ts';

/** FTZ, rounding control, the six masks, DAZ, PE. */
export const CONTROLS = 0xffe0;
/** Round to nearest, everything masked, PE already set, no FTZ, no DAZ. */
export const FAST = 0x1fa0;

/** FTZ and DAZ. */
export const FLUSH = 0x8040;

/** May SSE arithmetic use the host's, provided that operands and result allow it? */
export const mayBeFast = (r: Routine): Bool => r.eq(r.and(r.state('mxcsr'), r.const(CONTROLS)), r.const(FAST));
