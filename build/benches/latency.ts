/**
 * How long an interrupt waits for a guest that computes without pause: from the deadline of its local APIC's timer to the first instruction of
 * its handler, by its own time-stamp counter.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assemble } from '../../engine/isa/assemble.ts';
import { START, VECTOR } from './exit-guest.ts';
import { startGuest } from './guest-process.ts';
import { codeAddress, multibootImage } from './loop-guest.ts';

/** Interrupts that are not counted, while the guest's loop is still being compiled, and those that are. */
const WARM = 500;
const COUNTED = 2000;
const SECONDS = 300;
/** Where the guest keeps the next deadline, a word that its loop changes, and what it has seen. */
const AT = { deadline: 0x32_0000, word: 0x32_0100, samples: 0x40_0000 };
const MSR = { timer: 0x832, deadline: 0x6e0, eoi: 0x80b } as const;
const TSC_DEADLINE = 0x40000;
/** Ticks to the next deadline: a millisecond at least, and up to as much again by what the loop computes. */
const TICKS = 2 ** 20;

const COUNTER = 'rdtsc\n shl rdx, 32\n or rax, rdx';
const ARM = `${COUNTER}\n mov rdx, rsi\n and edx, ${TICKS - 1}\n add rax, rdx\n add rax, ${TICKS}
  mov [${AT.deadline}], rax\n mov rdx, rax\n shr rdx, 32\n mov ecx, ${MSR.deadline}\n wrmsr`;

function guest(): Buffer {
  const text = `
    ${START}
    mov ecx, ${MSR.timer}\n mov eax, ${TSC_DEADLINE + VECTOR}\n xor edx, edx\n wrmsr
    mov ebp, ${WARM + COUNTED}
    mov ebx, ${AT.samples}
    mov esi, 1\n mov edi, ${AT.word}
    ${ARM}
    sti
    busy:
    imul rsi, rsi, 0x19660d\n add rsi, 0x3c6ef35f
    mov r8, rsi\n rol r8, 7\n xor r9, r8\n add [rdi], r9
    test ebp, ebp\n jnz busy
    cli
    mov ebx, ${AT.samples + 8 * WARM}
    mov ebp, ${COUNTED}
    say:
    mov rsi, [rbx]\n add ebx, 8
    mov edi, 16
    digit:
    mov edx, 0x3fd
    wait:
    in al, dx\n test al, 0x20\n jz wait
    rol rsi, 4\n mov eax, esi\n and eax, 15\n add eax, 97\n mov edx, 0x3f8\n out dx, al
    dec edi\n jnz digit
    mov eax, 10\n out dx, al
    dec ebp\n jnz say
    xor eax, eax\n out 0xf4, al\n cli\n hlt
    handler:
    ${COUNTER}
    sub rax, [${AT.deadline}]\n mov [rbx], rax\n add ebx, 8\n dec ebp
    mov ecx, ${MSR.eoi}\n xor eax, eax\n xor edx, edx\n wrmsr
    ${ARM}
    iretq`;
  return multibootImage(assemble(text, { code: 32, origin: BigInt(codeAddress) }).bytes);
}

/** Ticks of the guest's counter in a microsecond: it counts nanoseconds, as the machine has it by default. */
const TICKS_PER_US = 1000;
/** Bounds of the histogram, in microseconds. */
const BOUNDS = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000];

/** Microseconds of each interrupt, in ascending order. */
async function latencies(): Promise<readonly number[]> {
  const folder = mkdtempSync(join(tmpdir(), 'rootmode-bench-'));
  const image = join(folder, 'guest.bin');
  writeFileSync(image, guest());
  const machine = startGuest(['--kernel', image, '--memory', '16', '--debug-exit', '--no-reboot']);
  const late = setTimeout(() => machine.kill(), SECONDS * 1000);
  try {
    await machine.ended();
    // Digits from `a` on.
    const numbers = [...machine.heard().matchAll(/[a-p]{16}/g)].map(([digits]) =>
      [...digits].reduce((sum, digit) => sum * 16 + digit.charCodeAt(0) - 97, 0),
    );
    if (numbers.length !== COUNTED) throw new Error(`${numbers.length} of ${COUNTED} interrupts were told`);
    return numbers.map((ticks) => ticks / TICKS_PER_US).sort((one, other) => one - other);
  } finally {
    clearTimeout(late);
    machine.kill();
    rmSync(folder, { recursive: true });
  }
}

/** The share of interrupts below each bound. */
function histogram(sorted: readonly number[]): string {
  let from = 0;
  const lines = [...BOUNDS, Number.POSITIVE_INFINITY].map((bound) => {
    const to = sorted.findLastIndex((latency) => latency < bound) + 1;
    const share = (100 * (to - from)) / sorted.length;
    from = to;
    const title = bound === Number.POSITIVE_INFINITY ? 'more' : `< ${bound} us`;
    return `         ${title.padStart(9)} ${share.toFixed(1).padStart(5)} % ${'#'.repeat(Math.round(share / 2))}`;
  });
  return `${lines.join('\n')}\n`;
}

/** Microseconds that all but a share of the interrupts took at most; the histogram is printed beside it. */
export async function interruptLatency(share: number): Promise<number> {
  const sorted = await latencies();
  process.stdout.write(histogram(sorted));
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number;
}
