/** EPT violations and misconfigurations: memory is mapped on first touch, and what the bus answers is emulated. */
import { COUNTER, PROBE } from '../../index.ts';
import type { ExitContext, ExitHandler, Outcome } from './context.ts';

const WRITE = 2;

function emulateAccess(x: ExitContext): Outcome {
  const { counters } = x.observation;
  counters.add(x.id, COUNTER['mmio-exits']);
  counters.add(x.id, COUNTER['insn-emulation']);
  return 'emulate';
}

/** Where the access went. Below 2^53: a guest-physical address has at most 52 bits. */
const address = (x: ExitContext): number => x.core.s.lo('eptAddress') + x.core.s.hi('eptAddress') * 2 ** 32;

function tellProbe(x: ExitContext, gpa: number): void {
  const { probes } = x.observation;
  if (!probes.on(x.id, PROBE['page-fault'])) return;
  const { s } = x.core;
  probes.fire(x.id, 'page-fault', { gva: s.excAddress, gpa, error: s.eptQualification });
}

export const eptViolation: ExitHandler = (x) => {
  const { counters } = x.observation;
  const gpa = address(x);
  counters.add(x.id, COUNTER['ept-violations']);
  tellProbe(x, gpa);
  const touched = x.mmu.touch(x.id, gpa, (x.core.s.lo('eptQualification') & WRITE) !== 0);
  if (touched === 'bus') return emulateAccess(x);
  if (touched === 'exhausted') x.host.stopOthers(x.id, () => x.mmu.recycle(x.id));
  else counters.add(x.id, COUNTER['pf-fixed']);
  return undefined;
};

/** Only what the bus answers is entered as a misconfiguration: there is nothing to look up. */
export const eptMisconfiguration: ExitHandler = (x) => {
  tellProbe(x, address(x));
  return emulateAccess(x);
};
