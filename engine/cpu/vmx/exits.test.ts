/** Exits and entry rules on the interpreter: a host in 64-bit mode enters a small guest; VMCS fields are compared afterwards. */
import { beforeEach, describe, expect, it } from 'vitest';
import { assemble } from '../../isa/assemble.ts';
import { initBlocked } from '../system/idle.ts';
import { initVcpu, startVcpu } from '../system/reset.ts';
import { AT } from '../testing/stage.ts';
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
    ['vmresume', 24, {}],
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

/** Guest text, fields, registers; reason and what is compared besides. */
const TPR = { procControls: PROC.tprShadow, virtualApicAddress: 0x70000 };
const LIST = 0x71000;

describe('linear addresses and registers in the qualification', () => {
  it.each([
    ['invlpg [rbx + 8]', { procControls: PROC.invlpg }, { rbx: 0x1230 }, 14, 0x1238n],
    ['monitor', { procControls: PROC.monitor }, { rax: 0x20000 }, 39, 0n],
    ['mwait', { procControls: PROC.mwait }, {}, 36, 0n],
    ['mov rbx, dr3', { procControls: PROC.movDr }, {}, 29, 0x313n],
    ['mov dr7, rcx', { procControls: PROC.movDr }, {}, 29, 0x107n],
    ['mov cr3, rdx', { procControls: PROC.cr3Load }, { rdx: 0x5000 }, 28, 0x203n],
    ['mov rdx, cr3', { procControls: PROC.cr3Store }, {}, 28, 0x213n],
    ['mov cr8, rdx', { procControls: PROC.cr8Load }, {}, 28, 0x208n],
    ['mov rdx, cr8', { procControls: PROC.cr8Store }, {}, 28, 0x218n],
    ['clts', { cr0Mask: 8n, cr0Shadow: 8n }, {}, 28, 0x20n],
    ['lmsw bx', { cr0Mask: 0xfn, cr0Shadow: 1n }, { rbx: 0xf }, 28, 0xf0030n],
    ['sgdt [rbx + 16]', { proc2Controls: PROC2.descriptorTable }, { rbx: 0x20000 }, 46, 16n],
    ['sldt ax', { proc2Controls: PROC2.descriptorTable }, {}, 47, 0n],
    ['in al, dx', { procControls: PROC.everyIo }, { rdx: 0x3f8 }, 30, 0x3f80008n],
    ['out dx, eax', { procControls: PROC.everyIo }, { rdx: 0xcf8 }, 30, 0xcf80003n],
    ['rep insb', { procControls: PROC.everyIo }, { rdx: 0x1f0, rcx: 4, rdi: 0x20000 }, 30, 0x1f00038n],
    ['outsw', { procControls: PROC.everyIo }, { rdx: 0x1f0, rsi: 0x20000 }, 30, 0x1f00011n],
  ] as const)('%s', (text, fields, registers, reason, qualification) => {
    const { exit } = stage.guest(text, fields, registers);
    expect(exit()).toEqual({ reason, qualification, length: SIZE(text), rip: stage.guestRip });
  });

  it('INS and OUTS: linear address and instruction information', () => {
    stage.guest('outsb', { procControls: PROC.everyIo }, { rdx: 1, rsi: 0x20010 });
    expect([stage.field('guestLinearAddress'), stage.field('exitInstructionInfo')]).toEqual([0x20010n, 0x18100n]);
  });

  it('XSETBV exits at CPL 0 with CR4.OSXSAVE', () => {
    expect(stage.guest('xsetbv', { guestCr4: stage.s.cr4 | 0x40000n }).exit()).toMatchObject({ reason: 55 });
  });
});

describe('what does not exit', () => {
  it.each([
    [
      'a CR3 target',
      'mov cr3, rdx\ncpuid',
      { procControls: PROC.cr3Load, cr3TargetCount: 2, cr3Target1: 0x1000n },
      { rdx: 0x1000 },
    ],
    [
      'a port whose bit is clear',
      'in al, 0x60\ncpuid',
      { procControls: PROC.ioBitmaps, ioBitmapA: 0x72000, ioBitmapB: 0x72000 },
      {},
    ],
    ['CR8 at the threshold', 'mov cr8, rdx\ncpuid', { ...TPR, tprThreshold: 0 }, { rdx: 5 }],
  ] as const)('%s', (_name, text, fields, registers) => {
    expect(stage.guest(text, fields, registers).exit()).toMatchObject({
      reason: 10,
      rip: stage.guestRip + BigInt(SIZE(text) - 2),
    });
  });
});

describe('bitmaps, thresholds, loops, lists', () => {
  it('a port whose bit is set', () => {
    stage.stage.write(0x72000, ...new Array<bigint>(512).fill(0n));
    stage.stage.write(0x72000 + 8, 1n << 32n); // port 0x60
    const fields = { procControls: PROC.ioBitmaps, ioBitmapA: 0x72000, ioBitmapB: 0x73000 };
    expect(stage.guest('in al, 0x61\nin al, 0x60', fields).exit()).toMatchObject({
      reason: 30,
      qualification: 0x600048n,
      rip: stage.guestRip + 2n,
    });
  });

  it('TPR below the threshold: after the instruction', () => {
    stage.stage.write(0x70080, 0x40n);
    const { exit } = stage.guest('mov cr8, rdx\nnop', { ...TPR, tprThreshold: 4 }, { rdx: 3 });
    expect(exit()).toMatchObject({ reason: 43, rip: stage.guestRip + 4n });
    expect(stage.stage.read(0x70080, 8)).toBe(0x30n);
  });

  it('a loop of PAUSE that outlasts its window', () => {
    const { exit } = stage.guest('again: pause\njmp again', { proc2Controls: PROC2.pauseLoop, pleGap: 1000, pleWindow: 5 });
    expect(exit()).toMatchObject({ reason: 40, rip: stage.guestRip });
  });

  it('an MSR that VM entry cannot load: reason 34 with the number of the entry', () => {
    stage.stage.write(LIST, 0x10n, 0n, 0xc0000100n, 0n);
    const { exit } = stage.guest('nop', { entryMsrLoadCount: 2, entryMsrLoadAddress: LIST });
    expect(exit()).toMatchObject({ reason: 0x80000022, qualification: 2n });
  });

  it('a list of more than 512 MSRs fails there, however long it says it is', () => {
    for (let i = 0; i < 520; i++) stage.stage.write(0xa0000 + 16 * i, 0x10n, 0n);
    const { exit } = stage.guest('nop', { entryMsrLoadCount: 0xffffffff, entryMsrLoadAddress: 0xa0000 });
    expect(exit()).toMatchObject({ reason: 0x80000022, qualification: 513n });
  });

  it('NMI window', () => {
    const fields = { pinControls: PIN.nmi | PIN.virtualNmi, procControls: PROC.nmiWindow };
    expect(stage.guest('nop', fields).exit()).toMatchObject({ reason: 8, rip: stage.guestRip });
  });
});

describe('INIT and SIPI', () => {
  it('INIT in a guest exits; in root operation it waits', () => {
    stage.guest('again: jmp again', {});
    expect(initBlocked(stage.s)).toBe(false);
    expect(initVcpu(stage.context)).toBe(false);
    expect([stage.field('exitReason'), stage.s.nonRoot, initBlocked(stage.s)]).toEqual([3n, 0, true]);
  });

  it('a guest that waits for SIPI exits with its vector, and INIT waits', () => {
    stage.guest('nop', { guestActivity: 3 });
    expect([stage.s.nonRoot, stage.s.activity, initBlocked(stage.s)]).toEqual([1, 3, true]);
    expect(startVcpu(stage.context, 0x9a)).toBe(true);
    expect([stage.field('exitReason'), stage.field('exitQualification'), stage.field('guestActivity')]).toEqual([4n, 0x9an, 3n]);
  });
});

/** Tables that map the first 4 MiB to themselves, for an EPT pointer with accessed and dirty flags. */
function identity(at: number, flags: bigint): void {
  stage.stage.write(at, BigInt(at + 0x1000) | 7n);
  stage.stage.write(at + 0x1000, BigInt(at + 0x2000) | 7n);
  stage.stage.write(at + 0x2000, 0xb0n | flags, 0x200000n | 0xb0n | flags);
}
const POINTER = 0x5en;

describe('EPT', () => {
  const ept = (fields: object, more = 0) => ({ proc2Controls: PROC2.ept | more, eptPointer: 0x80000n | POINTER, ...fields });

  it('violation: what the access was, what the entries allow, both addresses', () => {
    identity(0x80000, 7n);
    stage.stage.write(0x82008, 0x200000n | 0xb1n); // the second 2 MiB can only be read
    stage.guest('mov [rbx], al', ept({}), { rbx: 0x212340 });
    expect(
      ['exitReason', 'exitQualification', 'guestPhysicalAddress', 'guestLinearAddress'].map((name) =>
        stage.field(name as 'vpid'),
      ),
    ).toEqual([48n, 0x18an, 0x212340n, 0x212340n]);
  });

  it('misconfiguration: writable but not readable', () => {
    identity(0x80000, 7n);
    stage.stage.write(0x82008, 0x200000n | 0xb2n);
    expect(stage.guest('mov al, [rbx]', ept({}), { rbx: 0x212340 }).exit()).toMatchObject({ reason: 49, rip: stage.guestRip });
    expect(stage.field('guestPhysicalAddress')).toBe(0x212340n);
  });

  it('page-modification log: one entry per page, and full when the index has run out', () => {
    identity(0x80000, 7n);
    stage.stage.write(0x82000, 0xb7n | 0x300n); // what the host already wrote to is dirty
    const log = { pmlAddress: 0x74000, pmlIndex: 0 };
    const { exit } = stage.guest('mov [rbx], al\nmov [rbx], al\ncpuid', ept(log, PROC2.pml), { rbx: 0x212340 });
    expect(exit()).toMatchObject({ reason: 10 });
    expect([stage.stage.read(0x74000, 64), stage.field('pmlIndex')]).toEqual([0x212000n, 0xffffn]);
    stage.stage.write(0x82008, 0x200000n | 0xb7n);
    const full = stage.guest('mov [rbx], al', ept({ ...log, pmlIndex: 0xffff }, PROC2.pml), { rbx: 0x212340 });
    expect(full.exit()).toMatchObject({ reason: 62, rip: stage.guestRip });
    expect(stage.stage.read(0x82008, 64) & 0x200n).toBe(0n);
  });

  /** By pages of 4 KiB in the first 2 MiB, with the page of the guest's directory where `directory` says. */
  const byPages = (at: number, directory: number): void => {
    identity(at, 7n);
    stage.stage.write(at + 0x2000, BigInt(at + 0x3000) | 7n);
    const pages = Array.from({ length: 512 }, (_, i) => BigInt(i << 12) | 0x37n);
    pages[DIRECTORY >> 12] = BigInt(directory) | 0x37n;
    stage.stage.write(at + 0x3000, ...pages);
  };
  const [DIRECTORY, ANOTHER] = [AT.tables + 0x2000, 0x76000];
  /** The directory that stands at ANOTHER has the first 2 MiB in place of the second. */
  const directories = (): void => {
    stage.stage.write(ANOTHER, 0x87n, 0x87n);
    stage.stage.write(0x20000, 0x11n);
    stage.stage.write(0x220000, 0x22n);
  };

  it('tables of the guest are looked for anew by another EPT pointer', () => {
    directories();
    byPages(0x80000, DIRECTORY);
    byPages(0x90000, ANOTHER);
    stage.stage.write(0x75000, 0x80000n | POINTER, 0x90000n | POINTER);
    const functions = { vmFunctionControls: 1, eptpListAddress: 0x75000, vpid: 1 };
    const text = 'mov dl, [rbx]\nvmfunc\nmov dh, [rbx+0x20000]\nmov cl, 0\nvmfunc\nmov bl, [rbx+0x20000]\ncpuid';
    const { exit } = stage.guest(text, ept(functions, PROC2.vmFunctions | PROC2.vpid), { rax: 0, rcx: 1, rbx: 0x200000 });
    expect([exit().reason, stage.s.gpr[2], stage.s.gpr[3]]).toEqual([10, 0x1100n | stage.stage.read(0x200000, 8), 0x200022n]);
  });

  it('tables of the guest are looked for anew after INVEPT', () => {
    directories();
    byPages(0x80000, DIRECTORY);
    const text = 'mov dl, [rbx]\ncpuid\nmov dl, [rbx+0x20000]\ncpuid';
    const { exit } = stage.guest(text, ept({ vpid: 1 }, PROC2.vpid), { rbx: 0x200000 });
    expect(exit()).toMatchObject({ reason: 10, rip: stage.guestRip + 2n });
    byPages(0x80000, ANOTHER);
    stage.stage.write(0x77000, 0x80000n | POINTER, 0n);
    stage.stage.run('invept rax, [rbx]', { rax: 1, rbx: 0x77000 });
    stage.setField('guestRip', stage.guestRip + 4n);
    stage.stage.run('vmresume', { rbx: 0x200000 });
    while (stage.s.nonRoot !== 0) stage.stage.cpu.run(1);
    expect([exit().rip, stage.s.gpr[2]]).toEqual([stage.guestRip + 10n, 0x11n]);
  });

  it('EPTP switching: to a valid entry of the list, or an exit', () => {
    identity(0x80000, 7n);
    identity(0x90000, 7n);
    stage.stage.write(0x92008, 0n); // the second view lacks the second 2 MiB
    stage.stage.write(0x75000, 0x80000n | POINTER, 0x90000n | POINTER, 1n);
    const functions = { vmFunctionControls: 1, eptpListAddress: 0x75000 };
    const text = 'vmfunc\nmov al, [rbx]';
    const { exit } = stage.guest(text, ept(functions, PROC2.vmFunctions), { rax: 0, rcx: 1, rbx: 0x200000 });
    expect(exit()).toMatchObject({ reason: 48, rip: stage.guestRip + 3n });
    expect(stage.field('eptPointer')).toBe(0x90000n | POINTER);
    const invalid = stage.guest('vmfunc', ept(functions, PROC2.vmFunctions), { rax: 0, rcx: 2 });
    expect(invalid.exit()).toEqual({ reason: 59, qualification: 0n, length: 3, rip: stage.guestRip });
  });
});

describe('time-stamp counter', () => {
  it('is scaled, then moved', () => {
    const fields = {
      procControls: PROC.tscOffset,
      proc2Controls: PROC2.tscScaling,
      tscMultiplier: 3n << 48n,
      tscOffset: 1n << 40n,
    };
    stage.stage.cpu.host.count = 1000;
    stage.guest('rdtsc\ncpuid', fields);
    const seen = ((stage.s.gpr[2] ?? 0n) << 32n) | (stage.s.gpr[0] ?? 0n);
    const own = (seen - (1n << 40n)) / 3n;
    expect([(seen - (1n << 40n)) % 3n, own >= 1000n && own < 1100n]).toEqual([0n, true]);
  });
});
