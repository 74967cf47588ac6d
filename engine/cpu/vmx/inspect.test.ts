import { describe, expect, it } from 'vitest';
import { CONTROL_RULES } from './checks-controls.ts';
import { GUEST_RULES } from './checks-guest.ts';
import { HOST_RULES } from './checks-host.ts';
import { VMCS } from './fields.ts';
import { inspectVmcs } from './inspect.ts';
import { NO_REGION } from './region.ts';
import { VmxStage } from './testing/vmx-stage.ts';

const stage = new VmxStage();

describe('the checklist of VM entry', () => {
  it('has every rule in order when all hold', () => {
    const checks = stage.checks({});
    expect(checks.map(({ rule }) => rule)).toEqual([...CONTROL_RULES, ...HOST_RULES, ...GUEST_RULES].map(({ name }) => name));
    expect(checks.every(({ ok }) => ok)).toBe(true);
  });

  it('ends with the rule that does not hold, and the bits it compared', () => {
    const checks = stage.checks({ pinControls: 1 << 20 });
    expect(checks).toMatchObject([
      {
        stage: 'controls',
        rule: 'pin controls: reserved bits',
        ok: false,
        fields: [{ name: 'pinControls', value: 0x10_0016n, ones: 0x16n }],
      },
    ]);
    expect((checks[0]?.fields[0]?.may ?? 0n) & 0x10_0000n).toBe(0n);
  });

  it('names the stage it failed in', () => {
    const failed = (fields: Parameters<VmxStage['checks']>[0]) => {
      const last = stage.checks(fields).at(-1);
      return [last?.stage, last?.ok, last?.fields.map(({ value }) => value)];
    };
    expect(failed({ hostRip: 0x8000_0000_0000n })).toEqual(['host', false, expect.arrayContaining([0x8000_0000_0000n])]);
    expect(failed({ guestRflags: 0 })).toEqual(['guest', false, expect.arrayContaining([0n])]);
  });
});

describe('a VMCS for people', () => {
  it('has every field with its value', () => {
    stage.checks({ guestCr3: 0x1234_5000 });
    const image = inspectVmcs(0x41000n, (pa, bytes) => stage.stage.read(Number(pa), bytes === 8 ? 64 : 32));
    expect(image?.fields.length).toBe(Object.keys(VMCS).length);
    expect(image).toMatchObject({ pointer: 0x41000n, launched: false });
    expect(image?.fields.find(({ name }) => name === 'guestCr3')).toMatchObject({
      encoding: 0x6802,
      width: 'natural',
      area: 'guest',
      value: 0x1234_5000n,
    });
  });

  it('is none without a current VMCS, or where no memory answers', () => {
    expect(inspectVmcs(NO_REGION, () => 0n)).toBeUndefined();
    expect(inspectVmcs(0x41000n, () => undefined)).toBeUndefined();
  });
});
