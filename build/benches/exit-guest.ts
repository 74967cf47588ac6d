/**
 * Guests that do one thing over and over which exits to the hypervisor: 64-bit code in a multiboot image. Each says a character on COM1
 * after every part of its rounds, and then uses the debug exit.
 */
import { assemble } from '../../engine/isa/assemble.ts';
import { codeAddress, multibootImage } from './loop-guest.ts';

export const MARK = '@';

interface ExitGuest {
  /** Once, before the rounds. */
  readonly setup?: string;
  /** One round; EBP, EDI and ESP are the loop's. */
  readonly round: string;
  /** Exits of one round that are measured. */
  readonly exits: number;
}

export const VECTOR = 0x40;
/** Tables and data of the guest, above its code. */
const AT = {
  idt: 0x30_0000,
  gdt: 0x30_1000,
  pml4: 0x30_2000,
  pdpt: 0x30_3000,
  pd: 0x30_4000,
  stack: 0x31_0000,
  clock: 0x32_0000,
};
const CODE = 8;
const TOUCHED = 4096;
/** BAR 0 of the display adapter, device 2 on the bus. */
const ADAPTER_BAR = 0x8000_1010;
const MSR = { apicBase: 0x1b, efer: 0xc000_0080, spurious: 0x80f, eoi: 0x80b, selfIpi: 0x83f, kvmClock: 0x4b56_4d01 } as const;

/** Four GiB mapped as they are by large pages, one gate, the 8259s masked, the local APIC in x2APIC mode; then 64-bit code. */
export const START = `
  cli
  mov dword [${AT.pml4}], ${AT.pdpt + 3}
  ${[0, 1, 2, 3].map((i) => `mov dword [${AT.pdpt + 8 * i}], ${AT.pd + 4096 * i + 3}`).join('\n')}
  mov ebx, ${AT.pd}\n mov eax, 0x83\n mov ecx, 2048
  page:\n mov [ebx], eax\n add eax, 0x200000\n add ebx, 8\n dec ecx\n jnz page
  mov dword [${AT.gdt + CODE + 4}], 0xaf9b00
  mov word [${AT.gdt + 32}], ${CODE + 7}\n mov dword [${AT.gdt + 34}], ${AT.gdt}
  lgdt [${AT.gdt + 32}]
  mov eax, handler
  mov [${AT.idt + VECTOR * 16}], ax
  mov word [${AT.idt + VECTOR * 16 + 2}], ${CODE}
  shr eax, 16
  mov word [${AT.idt + VECTOR * 16 + 4}], 0x8e00
  mov [${AT.idt + VECTOR * 16 + 6}], ax
  mov word [${AT.gdt + 40}], 0x7ff\n mov dword [${AT.gdt + 42}], ${AT.idt}
  lidt [${AT.gdt + 40}]
  mov al, 0xff\n out 0x21, al\n out 0xa1, al
  mov ecx, ${MSR.apicBase}\n rdmsr\n or eax, 0xc00\n wrmsr
  mov ecx, ${MSR.spurious}\n mov eax, 0x1ff\n xor edx, edx\n wrmsr
  mov eax, cr4\n or eax, 0x20\n mov cr4, eax
  mov eax, ${AT.pml4}\n mov cr3, eax
  mov ecx, ${MSR.efer}\n rdmsr\n or eax, 0x100\n wrmsr
  mov eax, cr0\n or eax, 0x80000000\n mov cr0, eax
  mov esp, ${AT.stack}
  push ${CODE}\n push long\n retf
  bits 64
  long:
  xor eax, eax\n mov ss, ax`;

const HANDLER = `handler:\n mov ecx, ${MSR.eoi}\n xor eax, eax\n xor edx, edx\n wrmsr\n iretq`;
const RAISE = `mov ecx, ${MSR.selfIpi}\n mov eax, ${VECTOR}\n xor edx, edx\n wrmsr`;

const moveAdapter = (to: number): string =>
  `mov edx, 0xcf8\n mov eax, ${ADAPTER_BAR}\n out dx, eax\n mov edx, 0xcfc\n mov eax, ${to}\n out dx, eax`;

const MOVES = `${moveAdapter(0xe100_0000)}\n${moveAdapter(0xe000_0000)}`;

/** In each the hypervisor's core answers alone, without a device of the board. */
export const EXIT_GUESTS = {
  cpuid: { round: 'xor eax, eax\n cpuid', exits: 1 },
  /** The mask of the first 8259. */
  pio: { round: 'in al, 0x21', exits: 1 },
  /** The window of the I/O APIC. */
  mmio: { setup: 'mov ebx, 0xfec00010', round: 'mov eax, [rbx]', exits: 1 },
  /** A hypercall that does nothing on one vCPU. */
  vmcall: { round: 'mov eax, 11\n vmcall', exits: 1 },
  /** Moving the frame buffer takes its pages from the extended page tables: small ones, because writes there are logged. */
  'ept-violation': {
    round: `${MOVES}
      mov ebx, 0xe0000000\n mov ecx, ${TOUCHED}
      touch:\n mov eax, [rbx]\n add ebx, 4096\n dec ecx\n jnz touch`,
    exits: TOUCHED,
  },
  /** The same without touching the pages. */
  moves: { round: MOVES, exits: TOUCHED },
  /** An interrupt that is there when the guest halts, and the same one without HLT. */
  wake: { round: `cli\n${RAISE}\n sti\n hlt`, exits: 1 },
  'no-wake': { round: `sti\n${RAISE}`, exits: 1 },
  /** KVM's clock as its guests read it. */
  clock: {
    setup: `mov ecx, ${MSR.kvmClock}\n mov eax, ${AT.clock + 1}\n xor edx, edx\n wrmsr`,
    round: `mov ebx, [${AT.clock}]
      rdtsc\n shl rdx, 32\n or rax, rdx\n sub rax, [${AT.clock + 8}]
      mov edx, [${AT.clock + 24}]\n mul rdx
      cmp ebx, [${AT.clock}]`,
    exits: 1,
  },
} as const satisfies Readonly<Record<string, ExitGuest>>;

export type ExitGuestName = keyof typeof EXIT_GUESTS;

/** The image: parts of `rounds` rounds each, a mark after every one. */
export function exitGuest(name: ExitGuestName, parts: number, rounds: number): Buffer {
  const guest: ExitGuest = EXIT_GUESTS[name];
  const text = `
    ${START}
    ${guest.setup ?? ''}
    mov ebp, ${parts}
    part:
    mov edi, ${rounds}
    again:
    ${guest.round}
    dec edi
    jnz again
    mov edx, 0x3f8\n mov eax, ${MARK.charCodeAt(0)}\n out dx, al
    dec ebp
    jnz part
    xor eax, eax\n out 0xf4, al\n cli\n hlt
    ${HANDLER}`;
  return multibootImage(assemble(text, { code: 32, origin: BigInt(codeAddress) }).bytes);
}
