/** All x87 definitions. */
import type { Definition } from '../form.ts';
import { x87Control } from './control.ts';
import { x87Operations } from './operations.ts';
import { x87Transfers } from './transfer.ts';

export const definitions: readonly Definition[] = [...x87Operations, ...x87Transfers, ...x87Control];
