/** Stops: what makes a machine stand still so that somebody can look at it. */
import * as z from 'zod';
import { Address, Vcpu } from './values.ts';

const Access = z.enum(['read', 'write', 'any']);
/** An expression over what the event brings, as for traces: `port == 0x3f8 && value == 10`. */
const Where = z.string().max(1000).optional();
const Port = z.int().min(0).max(0xffff);

/** What to stop at. Addresses are linear (gva); code stops before the instruction, everything else right after the one that did it. */
export const StopCondition = z.discriminatedUnion('on', [
  z.strictObject({ on: z.literal('code'), gva: Address }),
  z.strictObject({
    on: z.literal('data'),
    gva: Address,
    bytes: z.int().min(1).max(4096).default(1),
    access: Access.default('write'),
  }),
  /** A VM exit, by the reason’s name (`CPUID`) or any. */
  z.strictObject({ on: z.literal('exit'), reason: z.string().max(64).optional(), where: Where }),
  z.strictObject({ on: z.literal('port'), from: Port, to: Port.optional(), access: Access.default('any'), where: Where }),
  /** Accesses to devices in memory, by guest-physical address. */
  z.strictObject({ on: z.literal('mmio'), from: Address, to: Address.optional(), access: Access.default('any'), where: Where }),
  z.strictObject({ on: z.literal('msr'), msr: z.int().min(0).max(0xffff_ffff).optional(), access: Access.default('write') }),
  z.strictObject({ on: z.literal('cr'), cr: z.int().min(0).max(8).optional() }),
  /** A fault, trap or software interrupt; stands at the first instruction of its handler. */
  z.strictObject({ on: z.literal('exception'), vector: z.int().min(0).max(255).optional() }),
  /** Real, virtual-8086, protected, compatibility or 64-bit mode is entered. */
  z.strictObject({ on: z.literal('mode') }),
  /** The guest has sent this text to COM1. */
  z.strictObject({ on: z.literal('serial'), text: z.string().min(1).max(200) }),
  /** Any other probe of `machine-trace-start`. */
  z.strictObject({ on: z.literal('probe'), probe: z.string().max(32), where: Where }),
]);
export type StopCondition = z.output<typeof StopCondition>;

export const StopId = z.int().positive();

export const Stop = z.strictObject({
  stop: StopId,
  condition: StopCondition,
  /** Absent: any vCPU. */
  vcpu: Vcpu.optional(),
  enabled: z.boolean(),
  /** How often it was met. */
  hits: z.int().nonnegative(),
});

/** Why a machine stands still. */
export const Stopped = z.strictObject({
  why: z.enum(['pause', 'step', 'stop', 'host-full']),
  /** The vCPU that met it; absent where nothing of a vCPU’s did. */
  vcpu: Vcpu.optional(),
  /** The stop that was met. */
  stop: StopId.optional(),
  /** What was met, in words: `port 0x3f8 written, value 0x41`. */
  what: z.string().optional(),
});
export type Stopped = z.output<typeof Stopped>;
