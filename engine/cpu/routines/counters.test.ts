/** The time-stamp counter of guests, whichever routine reads it. */
import { describe, expect, it } from 'vitest';
import type { TestHost } from '../testing/machine.ts';
import { PROC, PROC2 } from '../vmx/fields.ts';
import { VmxStage } from '../vmx/testing/vmx-stage.ts';

const OFFSET = 0x1234_5678_9abcn;
const FRACTION = 48n;

/** EDX:EAX of RDTSC in a guest, less its offset, and the host's count just before and after. */
function guestCount(fields: Parameters<VmxStage['guest']>[1]): { count: bigint; least: bigint; most: bigint } {
  const stage = new VmxStage();
  const host = stage.context.host as TestHost;
  host.count = 1_000_000;
  const least = BigInt(host.ticks());
  expect(stage.guest('rdtsc\ncpuid', { tscOffset: OFFSET, ...fields }).exit().reason).toBe(10);
  const [low, high] = [stage.s.gpr[0] ?? 0n, stage.s.gpr[2] ?? 0n];
  return { count: low | (high << 32n), least, most: BigInt(host.ticks()) };
}

describe('RDTSC in a guest', () => {
  it('is the host’s count without the control', () => {
    const { count, least, most } = guestCount({});
    expect(count > least && count < most).toBe(true);
  });

  it('is moved by the offset', () => {
    const { count, least, most } = guestCount({ procControls: PROC.tscOffset });
    expect(count - OFFSET > least && count - OFFSET < most).toBe(true);
  });

  it.each([2n << FRACTION, 3n << (FRACTION - 1n)])('is scaled before that (multiplier %i)', (tscMultiplier) => {
    const scaled = guestCount({ procControls: PROC.tscOffset, proc2Controls: PROC2.tscScaling, tscMultiplier });
    const by = (count: bigint): bigint => (count * tscMultiplier) >> FRACTION;
    expect(scaled.count - OFFSET > by(scaled.least) && scaled.count - OFFSET < by(scaled.most)).toBe(true);
  });
});
