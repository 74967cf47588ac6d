/** What routines that regions call do besides computing. */

/** Routines after which something else than the region has to go on, or that need all registers in memory. */
export const REFUSED = new Set(['exclusiveBegin', 'stageAlone', 'lockPair', 'slow']);
/** General registers that routines read from the state block and leave there. */
const [RAX, RCX, RSI, RDI] = [0, 1, 6, 7] as const;
export const REGISTERS: Readonly<Record<string, { readonly reads: readonly number[]; readonly writes: readonly number[] }>> = {
  wholeMovs: { reads: [RCX, RSI, RDI], writes: [RCX, RSI, RDI] },
  wholeStos: { reads: [RAX, RCX, RDI], writes: [RCX, RDI] },
};
/** Routines that leave translations alone. */
export const COMPUTES = /^(mulHigh|divU128|float\.|vecFloat\.|convert\.|compare)/;
