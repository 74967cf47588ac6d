/** All x87 definitions. */
import type { Definition } from '../form.ts';
import { x87Control } from './control.ts';
import { x87Operations } from './definitions.ts';

export const definitions: readonly Definition[] = [...x87Operations, ...x87Control];
