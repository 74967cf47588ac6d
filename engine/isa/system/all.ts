import type { Definition } from '../form.ts';
import { definitions as processor } from './processor.ts';
import { definitions as registers } from './registers.ts';
import { definitions as segments } from './segments.ts';
import { definitions as tables } from './tables.ts';

/** System instructions: segments, descriptor tables, control and model-specific registers, ports, waiting, hints. */
export const definitions: readonly Definition[] = [...segments, ...tables, ...registers, ...processor];
