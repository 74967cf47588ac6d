/** What each field of a VMCS is for, and each named bit, in one sentence: what an inspector shows beside the value. */

const CONTROLS: Readonly<Record<string, string>> = {
  vpid: 'Tag of this vCPU’s translations in the TLB, so that entries and exits need not flush it.',
  ioBitmapA: 'Physical address of the page whose bits say which of ports 0 to 7FFF exit.',
  ioBitmapB: 'Physical address of the page whose bits say which of ports 8000 to FFFF exit.',
  msrBitmap: 'Physical address of the page whose bits say which MSRs exit, for reads and for writes.',
  exitMsrStoreAddress: 'Where an exit stores MSRs of the guest.',
  exitMsrStoreCount: 'How many MSRs an exit stores.',
  exitMsrLoadAddress: 'From where an exit loads MSRs of the host.',
  exitMsrLoadCount: 'How many MSRs an exit loads.',
  entryMsrLoadAddress: 'From where an entry loads MSRs of the guest.',
  entryMsrLoadCount: 'How many MSRs an entry loads.',
  executiveVmcsPointer: 'Used by dual-monitor treatment of SMM only.',
  pmlAddress: 'Page that collects the addresses of pages the guest dirtied.',
  pmlIndex: 'Next free place in the page-modification log; counts down from 511, below 0 exits.',
  tscOffset: 'Added to the time-stamp counter that the guest reads.',
  tscMultiplier: 'Rate of the guest’s time-stamp counter, with 48 bits after the point.',
  virtualApicAddress: 'Page that stands for the guest’s local APIC registers.',
  vmFunctionControls: 'Which functions VMFUNC offers the guest without an exit.',
  eptPointer: 'Root of the extended page tables, with memory type, depth and A/D flags.',
  eptpListAddress: 'Page of EPT pointers among which VMFUNC 0 switches.',
  pinControls: 'What happens at asynchronous events: interrupts, NMIs, the preemption timer.',
  procControls: 'Which instructions and accesses exit.',
  proc2Controls: 'Extensions: EPT, VPID, unrestricted guests and others. They act only when the primary controls activate them.',
  exceptionBitmap: 'One bit for each exception vector: set, the exception exits instead of reaching the guest.',
  pageFaultMask: 'Bits of a page fault’s error code that are compared to decide whether #PF exits.',
  pageFaultMatch: 'What those bits are compared with; equal means that bit 14 of the exception bitmap decides.',
  cr3TargetCount: 'How many CR3 targets may be loaded without an exit.',
  exitControls: 'What an exit saves and loads, and whether the host is 64-bit.',
  entryControls: 'What an entry loads, and whether the guest is in IA-32e mode.',
  entryInterruptionInfo: 'An event to inject with the next entry; bit 31 says that there is one.',
  entryExceptionError: 'Error code of an injected exception.',
  entryInstructionLength: 'Length of the instruction to which an injected software event belongs.',
  tprThreshold: 'When the guest lowers its task priority below this, it exits.',
  pleGap: 'PAUSEs closer together than this many cycles belong to one loop.',
  pleWindow: 'A PAUSE loop longer than this many cycles exits.',
  cr0Mask: 'Bits of CR0 that the host owns: the guest reads their shadow, and changing them exits.',
  cr4Mask: 'Bits of CR4 that the host owns: the guest reads their shadow, and changing them exits.',
  cr0Shadow: 'What the guest reads of the CR0 bits that the host owns.',
  cr4Shadow: 'What the guest reads of the CR4 bits that the host owns.',
};

const EXIT: Readonly<Record<string, string>> = {
  guestPhysicalAddress: 'The guest-physical address whose translation failed, for EPT violations and misconfigurations.',
  instructionError: 'Why the last VMX instruction failed.',
  exitReason: 'Why the guest was left; bit 31 marks an entry that failed.',
  exitInterruptionInfo: 'The exception or interrupt that caused the exit.',
  exitInterruptionError: 'Its error code.',
  vectoringInfo: 'The event that was being delivered when the exit happened.',
  vectoringError: 'Its error code.',
  exitInstructionLength: 'Bytes of the instruction that exited.',
  exitInstructionInfo: 'Operands of the instruction that exited.',
  exitQualification: 'Details of the exit; their form depends on the reason.',
  ioRcx: 'RCX before an I/O instruction that an SMI interrupted.',
  ioRsi: 'RSI before an I/O instruction that an SMI interrupted.',
  ioRdi: 'RDI before an I/O instruction that an SMI interrupted.',
  ioRip: 'RIP before an I/O instruction that an SMI interrupted.',
  guestLinearAddress: 'The linear address of the access that exited, where there is one.',
};

const STATE: Readonly<Record<string, string>> = {
  vmcsLinkPointer: 'All ones, or the VMCS that the guest’s VMREAD and VMWRITE use.',
  Debugctl: 'IA32_DEBUGCTL: branch tracing and single-stepping on branches.',
  Pat: 'IA32_PAT: memory types of the eight page attributes.',
  Efer: 'IA32_EFER: long mode, no-execute, SYSCALL.',
  Interruptibility: 'What holds interrupts back for one instruction, or NMIs until IRET.',
  Activity: 'Running, halted, shut down or waiting for a start-up IPI.',
  Smbase: 'Base of the SMM state-save area.',
  SysenterCs: 'Code segment that SYSENTER loads.',
  SysenterEsp: 'Stack pointer that SYSENTER loads.',
  SysenterEip: 'Instruction pointer that SYSENTER loads.',
  Cr0: 'Protection, paging, caching and floating-point switches.',
  Cr3: 'Root of the page tables, and the PCID.',
  Cr4: 'Extensions: PAE, PGE, OSFXSR, SMEP, SMAP, VMXE and others.',
  Dr7: 'Which breakpoints of DR0 to DR3 are on, and what they watch.',
  Rsp: 'Stack pointer.',
  Rip: 'Instruction pointer.',
  Rflags: 'Flags.',
  PendingDebug: 'Debug exceptions that the guest has still to get.',
  GdtrBase: 'Linear address of the global descriptor table.',
  GdtrLimit: 'Last byte of the global descriptor table.',
  IdtrBase: 'Linear address of the interrupt descriptor table.',
  IdtrLimit: 'Last byte of the interrupt descriptor table.',
  preemptionTimer: 'Counts down while the guest runs; 0 exits.',
};

const PARTS: Readonly<Record<string, string>> = {
  Selector: 'selector that was loaded',
  Base: 'linear address of its first byte',
  Limit: 'last offset in it',
  Rights: 'access rights: type, privilege level, present, size, or unusable',
};

/** One sentence about a field; empty for a name nobody knows. */
export function fieldSentence(name: string): string {
  const known = CONTROLS[name] ?? EXIT[name] ?? STATE[name];
  if (known !== undefined) return known;
  const [, side = '', rest = ''] = /^(guest|host)(\w+)$/.exec(name) ?? [];
  const whose = side === 'host' ? 'Loaded by an exit. ' : 'The guest’s. ';
  if (Object.hasOwn(STATE, rest)) return whose + STATE[rest];
  const segment = /^(Es|Cs|Ss|Ds|Fs|Gs|Ldtr|Tr)(Selector|Base|Limit|Rights)$/.exec(rest);
  if (segment !== null) return `${whose}${segment[1]?.toUpperCase()}: ${PARTS[segment[2] as string]}.`;
  if (/^Pdpte\d$/.test(rest))
    return `${whose}Entry ${rest.at(-1)} of the page-directory-pointer table, under PAE paging and EPT.`;
  return /^cr3Target\d$/.test(name) ? 'A value of CR3 that the guest may load without an exit.' : '';
}

/** By field, the sentences of its bits by their names. */
const BIT_SENTENCES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  pinControls: {
    externalInterrupt: 'External interrupts exit.',
    nmi: 'NMIs exit.',
    virtualNmi: 'NMIs are never blocked by IRET’s rules alone; the guest’s blocking is kept in its state.',
    preemptionTimer: 'The VMX preemption timer counts down.',
  },
  procControls: {
    interruptWindow: 'Exit as soon as the guest can take an interrupt.',
    tscOffset: 'RDTSC gives the counter plus an offset.',
    hlt: 'HLT exits.',
    invlpg: 'INVLPG exits.',
    mwait: 'MWAIT exits.',
    rdpmc: 'RDPMC exits.',
    rdtsc: 'RDTSC and RDTSCP exit.',
    cr3Load: 'MOV to CR3 exits unless the value is a target.',
    cr3Store: 'MOV from CR3 exits.',
    cr8Load: 'MOV to CR8 exits.',
    cr8Store: 'MOV from CR8 exits.',
    tprShadow: 'CR8 reads and writes the virtual-APIC page.',
    nmiWindow: 'Exit as soon as the guest can take an NMI.',
    movDr: 'MOV to and from debug registers exits.',
    everyIo: 'Every IN and OUT exits.',
    ioBitmaps: 'Bitmaps decide which ports exit.',
    msrBitmaps: 'Bitmaps decide which MSRs exit.',
    monitor: 'MONITOR exits.',
    pause: 'PAUSE exits.',
    secondary: 'The secondary controls act.',
  },
  proc2Controls: {
    ept: 'Guest-physical addresses go through extended page tables.',
    descriptorTable: 'LGDT, LIDT, SGDT, SIDT and the like exit.',
    rdtscp: 'RDTSCP works in the guest.',
    vpid: 'Translations are tagged with the VPID.',
    wbinvd: 'WBINVD exits.',
    unrestricted: 'The guest may run without paging, and in real mode.',
    pauseLoop: 'A loop of PAUSE exits.',
    invpcid: 'INVPCID works in the guest.',
    vmFunctions: 'VMFUNC works in the guest.',
    pml: 'Pages that get dirty are written to a log.',
    tscScaling: 'The guest’s time-stamp counter runs at a rate of its own.',
  },
  exitControls: {
    saveDebug: 'DR7 and IA32_DEBUGCTL of the guest are saved.',
    host64: 'The host is in 64-bit mode.',
    acknowledge: 'The interrupt controller is asked for the vector of the interrupt that exits.',
    savePat: 'IA32_PAT of the guest is saved.',
    loadPat: 'IA32_PAT of the host is loaded.',
    saveEfer: 'IA32_EFER of the guest is saved.',
    loadEfer: 'IA32_EFER of the host is loaded.',
    savePreemptionTimer: 'What is left of the preemption timer is saved.',
  },
  entryControls: {
    loadDebug: 'DR7 and IA32_DEBUGCTL of the guest are loaded.',
    ia32e: 'The guest is in IA-32e mode after the entry.',
    loadPat: 'IA32_PAT of the guest is loaded.',
    loadEfer: 'IA32_EFER of the guest is loaded.',
  },
  vmFunctionControls: { eptpSwitching: 'VMFUNC 0 switches to another EPT pointer of the list.' },
  guestInterruptibility: {
    sti: 'The instruction after STI: interrupts wait.',
    movSs: 'The instruction after a load of SS: interrupts and debug exceptions wait.',
    smi: 'SMIs are blocked.',
    nmi: 'NMIs are blocked until IRET.',
  },
};

/** One sentence about a bit; empty where its name says it. */
export function bitSentence(field: string, bit: string): string {
  const sentences = BIT_SENTENCES[field];
  return sentences !== undefined && Object.hasOwn(sentences, bit) ? (sentences[bit] as string) : '';
}
