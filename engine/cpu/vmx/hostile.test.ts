/** VMCS contents from hostile hypervisors: whatever stands there, entry succeeds or fails as the manual says, and runs come back. */
import { describe, expect, it } from 'vitest';
import { Random } from '../testing/random.ts';
import { PIN, VMCS_FIELDS } from './fields.ts';
import { VmxStage } from './testing/vmx-stage.ts';

/** Seeds that found something are kept at the front. */
const SEEDS = Array.from({ length: 150 }, (_, i) => i + 1);
const INTERESTING = [
  0n,
  1n,
  (1n << 64n) - 1n,
  1n << 63n,
  0xfffn,
  0x1000n,
  0x80000000n,
  0x80000b0en,
  0x80000202n,
  1n << 47n,
  0x5en,
];

describe('hostile VMCS', () => {
  const stage = new VmxStage();

  /** Starts from contents that pass, changes a few fields or many, by VMWRITE or behind the processor's back. */
  function change(random: Random): Parameters<VmxStage['guest']>[1] {
    const count = random.chance(60) ? 1 + random.below(3) : random.below(VMCS_FIELDS.length);
    const changes = Array.from({ length: count }, () => {
      const field = random.pick(VMCS_FIELDS);
      const before = stage.field(field.name);
      const value = random.chance(40)
        ? random.pick(INTERESTING)
        : random.chance(50)
          ? before ^ (1n << BigInt(random.below(64)))
          : random.long();
      return [field.name, value] as const;
    });
    return Object.fromEntries(changes);
  }

  it.each(SEEDS)('seed %i', (seed) => {
    const random = new Random(seed);
    stage.guest('cpuid', {}); // good contents to start from
    const fields = change(random);
    const { stage: machine } = stage;
    expect(() => stage.guest('mov [rbx], al\nint3\nhlt', { pinControls: PIN.nmi, ...fields }, { rbx: 0x20000 })).not.toThrow();
    // The region is overwritten while it is current and launched, then entered again.
    for (const { offset } of VMCS_FIELDS) if (random.chance(10)) machine.write(0x41000 + offset, random.long());
    expect(() => {
      machine.cpu.changed();
      if (stage.s.nonRoot === 0) machine.run('vmresume');
      for (let i = 0; i < 20; i++) {
        const { retired, reason } = machine.cpu.run(50);
        if (retired === 0 && reason !== 'limit') break;
      }
    }).not.toThrow();
    expect(stage.s.nonRoot === 0 || stage.s.nonRoot === 1).toBe(true);
    stage.recover();
  });

  it('the stage is as good as new afterwards', () => {
    expect(stage.guest('cpuid', {}).exit().reason).toBe(10);
  });
});
