export { type InterruptMessage, IOAPIC_BASE, PINS } from './ioapic.ts';
export { type GsiLine, Irqchip, type IrqchipHost, type SavedIrqchip } from './irqchip.ts';
export { APIC_BASE, LVT_MASKED, MODE, REG } from './lapic-state.ts';
export { GSIS, type GsiRoute } from './routes.ts';
