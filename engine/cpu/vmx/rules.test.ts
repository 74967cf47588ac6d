/** What each rule of VM entry says about itself: the fields it names are all it reads, so VMWRITE of others need not look at it again. */
import { describe, expect, it } from 'vitest';
import { Random } from '../testing/random.ts';
import { VMCS_FIELDS, type VmcsFieldName } from './fields.ts';
import { EntryView } from './rule.ts';
import { RULES } from './rule-index.ts';
import { VmxStage } from './testing/vmx-stage.ts';

/** A VMCS of random words, mostly zeros and ones in the places that matter, which notes what is read. */
class Recorder extends EntryView {
  readonly read = new Set<VmcsFieldName>();
  readonly values = new Map<VmcsFieldName, bigint>();

  override big(name: VmcsFieldName): bigint {
    this.read.add(name);
    return this.values.get(name) ?? 0n;
  }
  override number(name: VmcsFieldName): number {
    return Number(BigInt.asUintN(32, this.big(name)));
  }
  /** A change of the bit that activates them counts as a change of the secondary controls. */
  override secondary(bit: number): boolean {
    return this.has('proc2Controls', bit);
  }
  override get vm86(): boolean {
    return ((this.values.get('guestRflags') ?? 0n) & 0x20000n) !== 0n;
  }
}

describe('rules of VM entry', () => {
  it('name every field they read', () => {
    const random = new Random(1);
    const recorder = new Recorder(new VmxStage().context);
    const unnamed = new Set<string>();
    for (let round = 0; round < 400; round++) {
      recorder.values.clear();
      for (const { name } of VMCS_FIELDS) {
        const value = random.long();
        recorder.values.set(
          name,
          random.pick([0n, value, value & random.long(), value | random.long(), (1n << 64n) - 1n, value & 0xfn]),
        );
      }
      const type = random.below(8) << 8;
      recorder.values.set('entryInterruptionInfo', BigInt(0x80000000 + (random.below(2) << 11) + type + random.below(32)));
      for (const rule of RULES) {
        recorder.read.clear();
        rule.ok(recorder);
        for (const name of recorder.read) if (!rule.fields.includes(name)) unnamed.add(`${rule.name}: ${name}`);
      }
    }
    expect([...unnamed]).toEqual([]);
  });

  it('have a name of their own', () => {
    expect(new Set(RULES.map((rule) => rule.name)).size).toBe(RULES.length);
  });
});
