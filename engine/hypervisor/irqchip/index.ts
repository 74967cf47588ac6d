export { Irqchip, type SavedIrqchip } from './irqchip.ts';
export { type InterruptReport, interruptReport } from './report.ts';
