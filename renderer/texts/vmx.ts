/** Texts about what VMX offers. Names of MSRs, controls and bits are the manual's and not translated. */
const en = {
  vmx: {
    title: 'What VMX offers',
    about:
      'The capability MSRs of the processor under every machine, as a hypervisor inside a guest with the processor x86-64-v2-vmx finds them too.',
    filter: 'MSR, field, control…',
    bit: 'Bit',
    control: 'Control',
    zero: '0 allowed',
    one: '1 allowed',
    verdict: 'So it',
    yes: 'yes',
    no: 'no',
    'must-be-1': 'must be 1',
    'must-be-0': 'must be 0',
    free: 'may be either',
    masks: 'Bits that must be 1: {ones}. Bits that may be: {may}.',
    nothing: 'Nothing is like that.',
  },
};

const de: typeof en = {
  vmx: {
    title: 'Was VMX bietet',
    about:
      'Die Capability-MSRs des Prozessors unter jeder Maschine; ein Hypervisor in einem Gast mit dem Prozessor x86-64-v2-vmx findet dieselben.',
    filter: 'MSR, Feld, Steuerbit …',
    bit: 'Bit',
    control: 'Steuerbit',
    zero: '0 erlaubt',
    one: '1 erlaubt',
    verdict: 'Also',
    yes: 'ja',
    no: 'nein',
    'must-be-1': 'muss 1 sein',
    'must-be-0': 'muss 0 sein',
    free: 'frei wählbar',
    masks: 'Bits, die 1 sein müssen: {ones}. Bits, die es dürfen: {may}.',
    nothing: 'So ist nichts.',
  },
};

export const vmxTexts = { en, de };
