/** The slow routines of VMX by their names in `SLOW`. */
import type { SlowContext, SlowRoutineBody } from '../context.ts';
import { enter } from './entry.ts';
import { vmfunc } from './functions.ts';
import {
  invept,
  invvpid,
  vmcall,
  vmclear,
  vmptrld,
  vmptrst,
  vmread,
  vmwrite,
  vmxAllowed,
  vmxoff,
  vmxon,
} from './instructions.ts';

export type VmxSlowName =
  | 'vmxAllowed'
  | 'vmxon'
  | 'vmxoff'
  | 'vmclear'
  | 'vmptrld'
  | 'vmptrst'
  | 'vmread'
  | 'vmwrite'
  | 'vmcall'
  | 'vmfunc'
  | 'vmEntry'
  | 'invept'
  | 'invvpid';

const one =
  (body: (c: SlowContext, a0: bigint) => bigint): SlowRoutineBody =>
  (c, a0) => [body(c, a0)];

export const vmxRoutines: Readonly<Record<VmxSlowName, SlowRoutineBody>> = {
  vmxAllowed: (c, reason) => {
    vmxAllowed(c, Number(reason));
    return undefined;
  },
  vmxon: one(vmxon),
  vmxoff: one(vmxoff),
  vmclear: one(vmclear),
  vmptrld: one(vmptrld),
  vmptrst: one(vmptrst),
  vmread: (c, encoding) => vmread(c, encoding),
  vmwrite: (c, encoding, value) => [vmwrite(c, encoding, value)],
  vmcall: one(vmcall),
  vmfunc: (c) => {
    vmfunc(c);
    return undefined;
  },
  vmEntry: (c, resume) => {
    enter(c, resume !== 0n);
    return undefined;
  },
  invept: (c, type, low) => [invept(c, type, low)],
  invvpid: (c, type, low, address) => [invvpid(c, type, [low, address])],
};
