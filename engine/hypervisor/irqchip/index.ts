export { Irqchip, type SavedIrqchip } from './irqchip.ts';
