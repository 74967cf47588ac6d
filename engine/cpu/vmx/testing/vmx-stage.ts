/** A host in 64-bit mode, in VMX operation with a current VMCS that passes all rules; tests change fields and enter. */
import { assemble } from '../../../isa/assemble.ts';
import type { SavedState } from '../../../state/index.ts';
import type { SlowContext } from '../../context.ts';
import { cpuModel } from '../../model/models.ts';
import { createProcessor } from '../../processor.ts';
import { REQUEST, vcpuState } from '../../state.ts';
import { RAM_BYTES, TestHost, testMachine } from '../../testing/machine.ts';
import { AT, type RegisterValues, SEL, Stage } from '../../testing/stage.ts';
import { interpreterImage, type TierCpu } from '../../testing/tiers.ts';
import { VMCS_REVISION } from '../capabilities.ts';
import { firstBroken } from '../entry.ts';
import { VMCS, type VmcsFieldName } from '../fields.ts';
import { entryChecks } from '../inspect.ts';
import { RULES } from '../rule-index.ts';

const REGION = { vmxon: 0x40000, vmcs: 0x41000 } as const;
const GUEST_CODE = 0x50000;
const HOST_CODE = 0x60000;
const ALWAYS = {
  pinControls: 0x16n,
  procControls: 0x04006172n,
  exitControls: 0x36dfbn | 0x200n,
  entryControls: 0x11fbn | 0x200n,
};
type Fields = Partial<Record<VmcsFieldName, number | bigint>>;
const OR: readonly VmcsFieldName[] = ['pinControls', 'procControls'];

export class VmxStage {
  readonly guestRip = BigInt(GUEST_CODE);
  readonly stage: Stage;
  #core!: SlowContext;
  readonly #saved: SavedState;
  readonly #memory: Uint8Array;

  constructor() {
    this.stage = new Stage({ name: 'interpreter', create: () => this.#create() }, 'long');
    const { s } = this.stage;
    s.cr4 |= 0x2000n;
    s.cr0 |= 0x20n;
    s.vmxonPointer = BigInt(REGION.vmxon);
    s.vmcsPointer = BigInt(REGION.vmcs);
    this.stage.cpu.changed();
    this.#saved = vcpuState.save(s);
    this.#memory = this.stage.cpu.machine.dma.read(0, RAM_BYTES);
  }

  /** Registers and memory as they were at the beginning. */
  recover(): void {
    vcpuState.restore(this.s, this.#saved);
    this.stage.cpu.machine.dma.write(0, this.#memory);
    this.stage.cpu.changed();
  }

  get s() {
    return this.stage.s;
  }

  #create(): TierCpu {
    const { machine } = testMachine();
    const model = cpuModel('x86-64-v2-vmx', { tscHz: 1e9, apicHz: 1e9 });
    if (model === undefined) throw new Error('there is no model with VMX');
    const host = new TestHost();
    const processor = createProcessor({ machine, vcpus: 1, model, host, interpreter: interpreterImage() });
    processor.reset();
    const cpu = processor.vcpu(0);
    this.#core = cpu;
    return {
      machine,
      host,
      s: processor.state(0),
      modeChanged: () => cpu.modeChanged(),
      changed: () => cpu.restored(),
      anew: () => cpu.watch(undefined),
      interrupt: (vector) => {
        host.interrupts.push(vector);
        Atomics.or(machine.i32, processor.requestWord(0) >>> 2, REQUEST.interrupt);
      },
      run: (limit) => cpu.run(limit),
    };
  }

  /** The processor as routines see it. */
  get context(): SlowContext {
    return this.#core;
  }

  field(name: VmcsFieldName): bigint {
    return this.stage.read(REGION.vmcs + VMCS[name].offset, 64);
  }

  /** As the host would by VMWRITE. */
  setField(name: VmcsFieldName, value: bigint): void {
    this.stage.write(REGION.vmcs + VMCS[name].offset, value);
    this.#core.vmcs.forget();
  }

  #fill(fields: Fields): void {
    const { s } = this;
    const segment = (name: string, selector: number, rights: number): Fields => ({
      [`guest${name}Selector`]: selector,
      [`guest${name}Limit`]: 0xffffffff,
      [`guest${name}Rights`]: rights,
    });
    const all: Fields = {
      ...ALWAYS,
      vmcsLinkPointer: (1n << 64n) - 1n,
      ...segment('Cs', SEL.code0, 0xa09b),
      ...Object.fromEntries(['Es', 'Ss', 'Ds', 'Fs', 'Gs'].flatMap((name) => Object.entries(segment(name, SEL.data0, 0xc093)))),
      guestLdtrRights: 0x10000,
      guestTrSelector: SEL.tss,
      guestTrBase: s.trBase,
      guestTrLimit: 0x7f,
      guestTrRights: 0x8b,
      guestCr0: s.cr0,
      guestCr3: s.cr3,
      guestCr4: s.cr4,
      guestGdtrBase: s.gdtrBase,
      guestGdtrLimit: 0xff,
      guestIdtrBase: s.idtrBase,
      guestIdtrLimit: 0xfff,
      guestDr7: 0x400,
      guestRsp: AT.stack,
      guestRip: GUEST_CODE,
      guestRflags: 2,
      hostCr0: s.cr0,
      hostCr3: s.cr3,
      hostCr4: s.cr4,
      hostCsSelector: SEL.code0,
      hostTrSelector: SEL.tss,
      hostTrBase: s.trBase,
      hostGdtrBase: s.gdtrBase,
      hostIdtrBase: s.idtrBase,
      hostRsp: AT.stack,
      hostRip: HOST_CODE,
    };
    const values: Fields = { ...all, ...fields };
    for (const name of OR) values[name] = BigInt(all[name] ?? 0) | BigInt(fields[name] ?? 0);
    if (fields.proc2Controls !== undefined) values.procControls = BigInt(values.procControls ?? 0) | 0x80000000n;
    this.stage.write(REGION.vmcs, BigInt(VMCS_REVISION), ...new Array<bigint>(511).fill(0n));
    for (const [name, value] of Object.entries(values)) {
      this.stage.write(REGION.vmcs + VMCS[name as VmcsFieldName].offset, BigInt(value ?? 0));
    }
  }

  /** What VM entry says to these fields, rule by rule. */
  checks(fields: Fields) {
    this.#fill(fields);
    this.#core.vmcs.forget();
    return entryChecks(this.#core);
  }

  /** Name of the first rule that these fields break. */
  failure(fields: Fields): string | undefined {
    this.#fill(fields);
    this.#core.vmcs.forget();
    return RULES[firstBroken(this.#core)]?.name;
  }

  /** Enter a guest that runs `text`, with these fields changed, until the host runs again. */
  guest(text: string, fields: Fields, registers: RegisterValues = {}) {
    const { stage } = this;
    this.#fill(fields);
    stage.cpu.machine.dma.write(GUEST_CODE, assemble(text, { code: 64, origin: this.guestRip }).bytes);
    stage.cpu.machine.dma.write(HOST_CODE, Uint8Array.of(0xf4));
    stage.cpu.changed();
    stage.run('vmlaunch', registers);
    for (let i = 0; i < 50 && stage.s.rip < BigInt(HOST_CODE) && stage.s.nonRoot !== 0; i++) stage.cpu.run(10);
    return {
      error: this.field('instructionError'),
      exit: () => ({
        reason: Number(this.field('exitReason')),
        qualification: this.field('exitQualification'),
        length: Number(this.field('exitInstructionLength')),
        rip: this.field('guestRip'),
      }),
    };
  }
}
