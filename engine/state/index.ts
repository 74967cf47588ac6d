export { array, bool, bytes, fifo8, i64, u8, u16, u32, u64 } from './fields.ts';
export type { Bound, Fields, InspectedMember, Layout, SavedState } from './layout.ts';
export { defineState, registeredLayouts } from './layout.ts';
export { type Views, viewsOf } from './views.ts';
