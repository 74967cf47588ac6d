/** What exits say beyond reason and length: instruction information, interruption and IDT-vectoring information. */
import { beforeEach, describe, expect, it } from 'vitest';
import { assemble } from '../../isa/assemble.ts';
import { REQUEST } from '../state.ts';
import { EXIT_CONTROL, PIN, PROC, PROC2 } from './fields.ts';
import { VmxStage } from './testing/vmx-stage.ts';

let stage: VmxStage;
beforeEach(() => {
  stage = new VmxStage();
});

const SIZE = (text: string): number => assemble(text, { code: 64 }).bytes.length;
/** [rbx + 16] in 64-bit code: address size, DS, no index, base (SDM vol. 3, tables 27-8 to 27-14). */
const OPERAND = (2 << 7) | (3 << 15) | (1 << 22) | (3 << 23);
/** Registers: a register operand, reg1 and reg2. */
const REGISTERS = (reg1: number, reg2: number): number => (1 << 10) | (reg1 << 3) | (reg2 << 28);
const identity = (which: number): number => which << 28;
/** Bits that the tables leave undefined: the register of an index that is not there, operand sizes in 64-bit code. */
const UNDEFINED = (0xf << 18) | (1 << 11);
/** And where there is no second register; where all are registers, what belongs to addresses. */
const REG2 = 0xf << 28;
const ADDRESS = 0x0fff_8383;

describe('instruction information', () => {
  it.each([
    ['vmclear [rbx + 16]', 19, OPERAND, REG2],
    ['vmptrld [rbx + 16]', 21, OPERAND, REG2],
    ['vmptrst [rbx + 16]', 22, OPERAND, REG2],
    ['vmxon [rbx + 16]', 27, OPERAND, REG2],
    ['vmread [rbx + 16], rdx', 23, OPERAND | (2 << 28)],
    ['vmwrite rdx, [rbx + 16]', 25, OPERAND | (2 << 28)],
    ['invept rcx, [rbx + 16]', 50, OPERAND | (1 << 28)],
    ['invvpid rcx, [rbx + 16]', 53, OPERAND | (1 << 28)],
    ['invpcid rcx, [rbx + 16]', 58, OPERAND | (1 << 28)],
    ['sgdt [rbx + 16]', 46, OPERAND | identity(0)],
    ['sidt [rbx + 16]', 46, OPERAND | identity(1)],
    ['lgdt [rbx + 16]', 46, OPERAND | identity(2)],
    ['lidt [rbx + 16]', 46, OPERAND | identity(3)],
    ['sldt [rbx + 16]', 47, OPERAND | identity(0)],
    ['str [rbx + 16]', 47, OPERAND | identity(1)],
    ['lldt [rbx + 16]', 47, OPERAND | identity(2)],
    ['ltr [rbx + 16]', 47, OPERAND | identity(3)],
  ])('%s', (text, reason, information, undefinedToo = 0) => {
    const controls = { procControls: PROC.invlpg, proc2Controls: PROC2.descriptorTable | PROC2.invpcid };
    const { exit } = stage.guest(text, controls, { rbx: 0x20000 });
    expect(exit()).toEqual({ reason, qualification: 16n, length: SIZE(text), rip: stage.guestRip });
    const said = Number(stage.field('exitInstructionInfo'));
    expect(said & ~(UNDEFINED | undefinedToo)).toBe(information);
  });

  it.each([
    ['vmread rcx, rdx', 23, REGISTERS(1, 2)],
    ['vmwrite rdx, rcx', 25, REGISTERS(1, 2)],
    ['str cx', 47, REGISTERS(1, 1)],
  ])('%s', (text, reason, information) => {
    const { exit } = stage.guest(text, { proc2Controls: PROC2.descriptorTable });
    expect(exit()).toEqual({ reason, qualification: 0n, length: SIZE(text), rip: stage.guestRip });
    const said = Number(stage.field('exitInstructionInfo'));
    expect(said & ~(UNDEFINED | ADDRESS)).toBe(information);
  });
});

const interruption = () => ({
  info: stage.field('exitInterruptionInfo'),
  error: stage.field('exitInterruptionError'),
  vectoring: stage.field('vectoringInfo'),
});
/** Not mapped by the guest's page tables. */
const UNMAPPED = 0x4000_0000_0000n;
const PAGE_FAULT = 1 << 14;
const WRITE = 2;

describe('interruption information', () => {
  it('NMI exiting', () => {
    const { exit } = stage.guest('again: jmp again', { pinControls: PIN.nmi });
    stage.s.request |= REQUEST.nmi;
    stage.stage.cpu.run(10);
    expect(exit()).toMatchObject({ reason: 0, qualification: 0n });
    expect(interruption()).toEqual({ info: 0x8000_0202n, error: 0n, vectoring: 0n });
  });

  it('an external interrupt that is acknowledged', () => {
    const exitControls = 0x36dfb | EXIT_CONTROL.host64 | EXIT_CONTROL.acknowledge;
    stage.stage.cpu.interrupt(0x41);
    expect(stage.guest('nop', { pinControls: PIN.externalInterrupt, exitControls }).exit()).toMatchObject({ reason: 1 });
    expect(interruption()).toEqual({ info: 0x8000_0041n, error: 0n, vectoring: 0n });
  });

  it.each([
    ['mov [rbx], al', 0, true, 'a page fault whose error code matches'],
    ['mov al, [rbx]', 0, false, 'one whose error code does not'],
    ['mov al, [rbx]', PAGE_FAULT, true, 'with the bitmap the other way round: one that does not match'],
    ['mov [rbx], al', PAGE_FAULT, false, 'and one that does'],
  ])('%s, bitmap %i: exits %s (%s)', (text, inverted, exits) => {
    const fields = { exceptionBitmap: PAGE_FAULT ^ inverted, pageFaultMask: WRITE, pageFaultMatch: WRITE, guestIdtrLimit: 0 };
    const { exit } = stage.guest(text, fields, { rbx: UNMAPPED });
    if (!exits) {
      expect(exit()).toMatchObject({ reason: 2 }); // the guest has no handler
      return;
    }
    const error = text.startsWith('mov [') ? WRITE : 0;
    expect(exit()).toMatchObject({ reason: 0, qualification: UNMAPPED, rip: stage.guestRip });
    expect(interruption()).toEqual({ info: 0x8000_0b0en, error: BigInt(error), vectoring: 0n });
  });

  it('an EPT violation while an injected interrupt is delivered names that interrupt', () => {
    const [tables, mapped] = [0x80000, 0xb7n | 0x300n];
    stage.stage.write(tables, BigInt(tables + 0x1000) | 7n);
    stage.stage.write(tables + 0x1000, BigInt(tables + 0x2000) | 7n);
    stage.stage.write(tables + 0x2000, mapped);
    const { exit } = stage.guest('nop', {
      proc2Controls: PROC2.ept,
      eptPointer: tables | 0x5e,
      guestRsp: 0x201000,
      guestRflags: 0x202,
      entryInterruptionInfo: 0x8000_0041,
    });
    expect(exit()).toMatchObject({ reason: 48, rip: stage.guestRip });
    expect(interruption()).toMatchObject({ vectoring: 0x8000_0041n });
    expect(stage.field('guestPhysicalAddress')).toBe(0x200ff8n);
  });
});
