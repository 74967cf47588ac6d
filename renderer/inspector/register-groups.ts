/** Registers in the groups in which people look for them. */
export interface Register {
  readonly group: string;
  readonly name: string;
  readonly value: string;
}

export const registerGroups = ['general', 'segments', 'tables', 'control', 'debug', 'fpu', 'sse', 'msr'] as const;
export type RegisterGroupId = (typeof registerGroups)[number];

function groupOf({ group, name }: Register): RegisterGroupId {
  switch (group) {
    case 'kvm_regs':
      return 'general';
    case 'kvm_sregs':
      if (/^(gdt|idt|ldt|tr)\b/.test(name)) return 'tables';
      return /^[c-gs]s\b/.test(name) ? 'segments' : 'control';
    case 'kvm_xcrs':
      return 'control';
    case 'kvm_debugregs':
      return 'debug';
    case 'kvm_fpu':
      return /^(xmm|mxcsr)/.test(name) ? 'sse' : 'fpu';
    default:
      return 'msr';
  }
}

export function groupsOf(registers: readonly Register[], filter: string) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = registers.filter(({ name, value }) => words.every((word) => `${name} ${value}`.toLowerCase().includes(word)));
  return registerGroups
    .map((id) => ({ id, registers: wanted.filter((one) => groupOf(one) === id) }))
    .filter((group) => group.registers.length > 0);
}

type Bits = readonly (readonly [bit: number, name: string])[];
const RFLAGS: Bits = [
  ...([
    [0, 'CF'],
    [2, 'PF'],
    [4, 'AF'],
    [6, 'ZF'],
    [7, 'SF'],
    [8, 'TF'],
    [9, 'IF'],
    [10, 'DF'],
    [11, 'OF'],
  ] as const),
  ...([
    [14, 'NT'],
    [16, 'RF'],
    [17, 'VM'],
    [18, 'AC'],
    [19, 'VIF'],
    [20, 'VIP'],
    [21, 'ID'],
  ] as const),
];
const CR0: Bits = [
  ...([
    [0, 'PE'],
    [1, 'MP'],
    [2, 'EM'],
    [3, 'TS'],
    [4, 'ET'],
    [5, 'NE'],
  ] as const),
  ...([
    [16, 'WP'],
    [18, 'AM'],
    [29, 'NW'],
    [30, 'CD'],
    [31, 'PG'],
  ] as const),
];
const CR4: Bits = [
  ...([
    [0, 'VME'],
    [1, 'PVI'],
    [2, 'TSD'],
    [3, 'DE'],
    [4, 'PSE'],
    [5, 'PAE'],
    [6, 'MCE'],
    [7, 'PGE'],
    [8, 'PCE'],
  ] as const),
  ...([
    [9, 'OSFXSR'],
    [10, 'OSXMMEXCPT'],
    [11, 'UMIP'],
    [13, 'VMXE'],
    [14, 'SMXE'],
    [16, 'FSGSBASE'],
    [17, 'PCIDE'],
  ] as const),
  ...([
    [18, 'OSXSAVE'],
    [20, 'SMEP'],
    [21, 'SMAP'],
    [22, 'PKE'],
  ] as const),
];
const EFER: Bits = [
  [0, 'SCE'],
  [8, 'LME'],
  [10, 'LMA'],
  [11, 'NXE'],
];
const NAMED: Readonly<Record<string, Bits>> = { rflags: RFLAGS, cr0: CR0, cr4: CR4, efer: EFER, '0xc0000080': EFER };

/** Names of MSRs a person meets. */
const MSRS: Readonly<Record<string, string>> = {
  '0x10': 'IA32_TIME_STAMP_COUNTER',
  '0x1b': 'IA32_APIC_BASE',
  '0x3a': 'IA32_FEATURE_CONTROL',
  '0x174': 'IA32_SYSENTER_CS',
  '0x175': 'IA32_SYSENTER_ESP',
  '0x176': 'IA32_SYSENTER_EIP',
  '0x1a0': 'IA32_MISC_ENABLE',
  '0x1d9': 'IA32_DEBUGCTL',
  '0x277': 'IA32_PAT',
  '0x6e0': 'IA32_TSC_DEADLINE',
  '0xc0000080': 'IA32_EFER',
  '0xc0000081': 'IA32_STAR',
  '0xc0000082': 'IA32_LSTAR',
  '0xc0000083': 'IA32_CSTAR',
  '0xc0000084': 'IA32_FMASK',
  '0xc0000100': 'IA32_FS_BASE',
  '0xc0000101': 'IA32_GS_BASE',
  '0xc0000102': 'IA32_KERNEL_GS_BASE',
  '0xc0000103': 'IA32_TSC_AUX',
};

/** What a value means in words; empty where it speaks for itself. */
export function meaningOf(name: string, value: string): string {
  const bits = NAMED[name];
  const set = bits?.filter(([bit]) => ((BigInt(value) >> BigInt(bit)) & 1n) !== 0n).map(([, bit]) => bit);
  return [MSRS[name], set?.join(' ')].filter(Boolean).join(' ');
}
