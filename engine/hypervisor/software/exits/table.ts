/** Basic exit reasons (SDM vol. 3, appendix C) and who serves them. A guest's exit always has an answer. */
import { COUNTER } from '../../index.ts';
import type { ExitHandler } from './context.ts';
import { controlRegister, xsetbv } from './control.ts';
import { cpuid } from './cpuid.ts';
import { exception, hypercall } from './hypercall.ts';
import { hlt, pauseLoop, tripleFault } from './idle.ts';
import { eptMisconfiguration, eptViolation } from './memory.ts';
import { rdmsr, wrmsr } from './msr.ts';
import { io } from './port.ts';

const UD = 6;
const GP = 13;

const undefinedOpcode: ExitHandler = (x) => {
  x.inject(UD);
  return undefined;
};

/** Performance counters there are none: every counter number is invalid. */
const rdpmc: ExitHandler = (x) => {
  x.inject(GP, 0);
  return undefined;
};

/** INVD and WBINVD: there is no cache. */
const nothing: ExitHandler = (x) => {
  x.skip();
  return undefined;
};

const emulate: ExitHandler = (x) => {
  x.observation.counters.add(x.id, COUNTER['insn-emulation']);
  return 'emulate';
};

const counted =
  (counter: number): ExitHandler =>
  (x) => {
    x.observation.counters.add(x.id, counter);
    x.lookForEvents();
    return undefined;
  };

/** By basic exit reason. */
const HANDLERS: Readonly<Record<number, ExitHandler>> = {
  0: exception,
  // The request word says what the vCPU is wanted for.
  1: counted(COUNTER['irq-exits']),
  2: tripleFault,
  7: counted(COUNTER['irq-window-exits']),
  8: counted(COUNTER['nmi-window-exits']),
  9: emulate,
  10: cpuid,
  12: hlt,
  13: nothing,
  15: rdpmc,
  18: hypercall,
  ...Object.fromEntries([19, 20, 21, 22, 23, 24, 25, 26, 27, 50, 53].map((reason) => [reason, undefinedOpcode])),
  28: controlRegister,
  30: io,
  31: rdmsr,
  32: wrmsr,
  40: pauseLoop,
  // The task priority fell below that of an interrupt that waits.
  43: (x) => {
    x.completed();
    x.lookForEvents();
    return undefined;
  },
  48: eptViolation,
  49: eptMisconfiguration,
  54: nothing,
  55: xsetbv,
};

const table: readonly (ExitHandler | undefined)[] = Array.from({ length: 70 }, (_, reason) => HANDLERS[reason]);

/** Who serves an exit; `undefined` for one that no control of ours asks for. */
export const handlerOf = (reason: number): ExitHandler | undefined => table[reason];
