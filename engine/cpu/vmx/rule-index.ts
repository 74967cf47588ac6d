/** All rules of VM entry in the manual's order (SDM vol. 3, 26.2 and 26.3), and what makes a rule worth a second look. */
import { CONTROL_RULES } from './checks-controls.ts';
import { GUEST_RULES } from './checks-guest.ts';
import { HOST_RULES } from './checks-host.ts';
import type { RuleIndex } from './current-vmcs.ts';
import { wordOf } from './fields.ts';
import type { Rule } from './rule.ts';

export const RULES: readonly Rule[] = [...CONTROL_RULES, ...HOST_RULES, ...GUEST_RULES];
/** Numbers of the first rule for the host-state area and of the first for the guest's. */
export const FIRST_HOST_RULE = CONTROL_RULES.length;
export const FIRST_GUEST_RULE = CONTROL_RULES.length + HOST_RULES.length;

/** Rules that compare more than fields: they are looked at before every entry. */
export const ALWAYS_DUE = new Uint32Array((RULES.length + 31) >>> 5);

const of: number[][] = [];
for (const [number, rule] of RULES.entries()) {
  for (const name of rule.fields) {
    const word = wordOf(name);
    of[word] ??= [];
    of[word].push(number);
  }
  if (rule.beyondFields) ALWAYS_DUE[number >>> 5] = (ALWAYS_DUE[number >>> 5] as number) | (1 << (number & 31));
}

export const RULE_INDEX: RuleIndex = {
  count: RULES.length,
  of,
  procWord: wordOf('procControls'),
  procBits: Int32Array.from(RULES, ({ procBits }) => procBits ?? -1),
};
