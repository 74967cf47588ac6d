export { IOAPIC_BASE } from './ioapic.ts';
export { type GsiLine, Irqchip, type IrqchipHost, type SavedIrqchip } from './irqchip.ts';
export { REG } from './lapic-state.ts';
export { GSIS, type GsiRoute } from './routes.ts';
