import type { Definition } from './form.ts';
import { definitions as integer } from './integer/all.ts';
import { definitions as sse } from './sse/all.ts';
import { definitions as system } from './system/all.ts';
import { definitions as vmx } from './vmx/all.ts';
import { definitions as x87 } from './x87/all.ts';

/** Every instruction there is. */
export const definitions: readonly Definition[] = [...integer, ...system, ...sse, ...x87, ...vmx];
