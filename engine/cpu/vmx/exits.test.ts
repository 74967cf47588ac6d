/** Exits and entry rules on the interpreter: a host in 64-bit mode enters a small guest; VMCS fields are compared afterwards. */
import { beforeEach, describe, expect, it } from 'vitest';
import { assemble } from '../../isa/assemble.ts';
import type { VmcsFieldName } from './fields.ts';
import { PIN, PROC, PROC2 } from './fields.ts';
import { VmxStage } from './testing/vmx-stage.ts';

let stage: VmxStage;
beforeEach(() => {
  stage = new VmxStage();
});

const SIZE = (text: string): number => assemble(text, { code: 64 }).bytes.length;

describe('instruction', () => {
  it.each([
    ['cpuid', 10, {}],
    ['hlt', 12, { procControls: PROC.hlt }],
    ['invd', 13, {}],
    ['rdpmc', 15, { procControls: PROC.rdpmc }],
    ['rdtsc', 16, { procControls: PROC.rdtsc }],
    ['rdtscp', 51, { procControls: PROC.rdtsc, proc2Controls: PROC2.rdtscp }],
    ['rdmsr', 31, {}],
    ['wrmsr', 32, {}],
    ['pause', 40, { procControls: PROC.pause }],
    ['wbinvd', 54, { proc2Controls: PROC2.wbinvd }],
    ['vmcall', 18, {}],
    ['vmxoff', 26, {}],
    ['vmlaunch', 20, {}],
  ] as const)('%s', (text, reason, controls) => {
    const s = stage.guest(text, controls);
    expect(s.exit()).toEqual({ reason, qualification: 0n, length: SIZE(text), rip: stage.guestRip });
  });

  it('without its control the instruction runs', () => {
    expect(stage.guest('rdtsc\ncpuid', {}).exit()).toMatchObject({ reason: 10, rip: stage.guestRip + 2n });
  });
});

describe('control register', () => {
  it('a masked bit that differs from the shadow exits; the guest reads the shadow', () => {
    const from = stage.guest('mov rax, cr4\nmov cr4, rbx', { cr4Mask: 0x2000n, cr4Shadow: 0n }, { rbx: 0x2000n });
    expect(from.exit()).toMatchObject({ reason: 28, qualification: 0x304n });
    expect(stage.s.gpr[0] ?? 0n).toBe(stage.s.cr4 & ~0x2000n);
  });
});

describe('input and output', () => {
  it('port, size and direction', () => {
    expect(stage.guest('in al, 0x60', { procControls: PROC.everyIo }).exit()).toMatchObject({
      reason: 30,
      qualification: 0x600048n,
      length: 2,
    });
  });
});

describe('events', () => {
  it('exception bitmap', () => {
    expect(stage.guest('ud2', { exceptionBitmap: 1 << 6 }).exit()).toMatchObject({ reason: 0 });
    expect(stage.field('exitInterruptionInfo')).toBe(0x80000306n);
  });

  it('triple fault', () => {
    expect(stage.guest('ud2', { guestIdtrLimit: 0 }).exit()).toMatchObject({ reason: 2 });
  });

  it('external interrupt, with IF clear', () => {
    stage.stage.cpu.interrupt(0x41);
    expect(stage.guest('nop', { pinControls: PIN.externalInterrupt }).exit()).toMatchObject({ reason: 1, rip: stage.guestRip });
  });

  it('interrupt window', () => {
    const { reason, rip } = stage.guest('sti\nnop\nnop', { procControls: PROC.interruptWindow }).exit();
    expect([reason, rip]).toEqual([7, stage.guestRip + 2n]);
  });

  it('preemption timer', () => {
    expect(stage.guest('again: jmp again', { pinControls: PIN.preemptionTimer, preemptionTimer: 3 }).exit()).toMatchObject({
      reason: 52,
    });
  });
});

describe('entry checks', () => {
  it.each([
    ['CR3-target count', { cr3TargetCount: 5 }],
    ['pin controls: reserved bits', { pinControls: 0x80000000 }],
    ['VPID is not 0', { proc2Controls: PROC2.vpid, vpid: 0 }],
    ['EPT pointer', { proc2Controls: PROC2.ept, eptPointer: 1n }],
    ['unrestricted guest needs EPT', { proc2Controls: PROC2.unrestricted }],
    ['virtual NMIs need NMI exiting', { pinControls: PIN.virtualNmi }],
    ['injection: type', { entryInterruptionInfo: 0x80000100 }],
  ] as readonly (readonly [string, Partial<Record<VmcsFieldName, number | bigint>>])[])('control: %s', (name, fields) => {
    expect(stage.failure(fields)).toBe(name);
    expect(stage.guest('nop', fields).error).toBe(7n);
  });

  it.each([
    ['host CR0: fixed bits', { hostCr0: 0n }],
    ['hostFsBase is canonical', { hostFsBase: 1n << 63n }],
    ['host CS is not null', { hostCsSelector: 0 }],
    ['host selectors: RPL and TI are 0', { hostDsSelector: 3 }],
    ['64-bit host: RIP is canonical', { hostRip: 1n << 60n }],
  ] as readonly (readonly [string, Partial<Record<VmcsFieldName, number | bigint>>])[])('host: %s', (name, fields) => {
    expect(stage.failure(fields)).toBe(name);
    expect(stage.guest('nop', fields).error).toBe(8n);
  });

  it.each([
    ['CR0: fixed bits', { guestCr0: 0x10n }, 0n],
    ['RFLAGS: reserved bits', { guestRflags: 0n }, 0n],
    ['CS: type', { guestCsRights: 0xa093 }, 0n],
    ['TR: type', { guestTrRights: 0x83 }, 0n],
    ['SS: DPL is its RPL', { guestSsSelector: 0x13 }, 0n],
    ['activity state exists', { guestActivity: 2 }, 0n],
    ['VMCS link pointer', { vmcsLinkPointer: 1n }, 4n],
  ] as readonly (readonly [string, Partial<Record<VmcsFieldName, number | bigint>>, bigint])[])(
    'guest: %s',
    (name, fields, why) => {
      expect(stage.failure(fields)).toBe(name);
      expect(stage.guest('nop', fields).exit()).toMatchObject({ reason: 0x80000021, qualification: why });
    },
  );
});
