/** What each rule of VM entry says about itself: the fields it names are all it reads, so VMWRITE of others need not look at it again. */
import { describe, expect, it } from 'vitest';
import { Random } from '../testing/random.ts';
import { VMCS_FIELDS, type VmcsFieldName } from './fields.ts';
import { INJECTION_RULES, takesInterrupt } from './monitor.ts';
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

function fill({ values }: Recorder, random: Random): void {
  values.clear();
  for (const { name } of VMCS_FIELDS) {
    const value = random.long();
    values.set(name, random.pick([0n, value, value & random.long(), value | random.long(), (1n << 64n) - 1n, value & 0xfn]));
  }
  const type = random.below(8) << 8;
  values.set('entryInterruptionInfo', BigInt(0x80000000 + (random.below(2) << 11) + type + random.below(32)));
}

describe('rules of VM entry', () => {
  it('name every field they read', () => {
    const random = new Random(1);
    const recorder = new Recorder(new VmxStage().context);
    const unnamed = new Set<string>();
    for (let round = 0; round < 400; round++) {
      fill(recorder, random);
      for (const rule of RULES) {
        recorder.read.clear();
        rule.ok(recorder);
        for (const name of recorder.read) if (!rule.fields.includes(name)) unnamed.add(`${rule.name}: ${name}`);
      }
    }
    expect([...unnamed]).toEqual([]);
  });

  it('read no other bits of the processor-based controls than they say', () => {
    const random = new Random(2);
    const recorder = new Recorder(new VmxStage().context);
    const wrong = new Set<string>();
    for (let round = 0; round < 400; round++) {
      fill(recorder, random);
      const before = recorder.values.get('procControls') as bigint;
      for (const rule of RULES) {
        if (rule.procBits === undefined) continue;
        const ok = rule.ok(recorder);
        recorder.values.set('procControls', before ^ (random.long() & ~BigInt(rule.procBits >>> 0) & 0xffff_ffffn));
        if (rule.ok(recorder) !== ok) wrong.add(rule.name);
        recorder.values.set('procControls', before);
      }
    }
    expect([...wrong]).toEqual([]);
    expect(RULES.filter((rule) => rule.procBits !== undefined).length).toBeGreaterThan(5);
  });

  it('hold without a look when a guest that can take an interrupt gets one', () => {
    const random = new Random(3);
    const stage = new VmxStage();
    const recorder = new Recorder(stage.context);
    let taken = 0;
    for (let round = 0; round < 4000; round++) {
      fill(recorder, random);
      const { s } = stage;
      s.sysFlags = random.pick([0, 0x200]);
      s.shadow = random.pick([0, 0, 1, 2]);
      s.activity = random.pick([0, 1, 2, 3]);
      const info = random.pick([0x8000_0000 + random.below(256), 0x8000_0000 + random.below(4096), random.below(256)]);
      recorder.values.set('entryInterruptionInfo', BigInt(info));
      recorder.values.set('guestRflags', BigInt(s.sysFlags | 2));
      recorder.values.set('guestInterruptibility', BigInt(s.shadow));
      recorder.values.set('guestActivity', BigInt(s.activity));
      if (!takesInterrupt(s, info)) continue;
      taken++;
      for (const number of INJECTION_RULES) expect(RULES[number]?.ok(recorder), RULES[number]?.name).toBe(true);
    }
    expect(taken).toBeGreaterThan(100);
  });

  it('have a name of their own', () => {
    expect(new Set(RULES.map((rule) => rule.name)).size).toBe(RULES.length);
  });
});
