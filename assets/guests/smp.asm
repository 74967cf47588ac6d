; The SMP proof guest: starts every processor by INIT and SIPI and runs each test on all of them at once. Result on the first serial
; port and by isa-debug-exit: 0 when everything passed, else the number of the test that failed (127: unexpected exception).
; A number in the command line multiplies the rounds.
;
; For the host: WRITES is a run of PAGES pages that all processors write during test "lost writes". A dirty log collected meanwhile,
; with the logged pages copied after each collection, must give exactly the memory found at the end.
%include "long-mode.inc"
%include "console.inc"

MAX_CPUS  equ 32
WRITES    equ 0x400000
PAGES     equ 256
REMAPPED  equ 0x40000000                ; virtual; its page table is ours
TAG_A     equ 0x600000
TAG_B     equ 0x601000
STARTUP   equ 0x8000
RESTART   equ 0x9000
APIC      equ 0x40001000                ; virtual, behind the page that is remapped
APIC_ID   equ APIC + 0x20
APIC_EOI  equ APIC + 0xb0
APIC_SVR  equ APIC + 0xf0
ICR_LOW   equ APIC + 0x300
ICR_HIGH  equ APIC + 0x310
FIXED_IPI equ 0x4000
NMI_IPI   equ 0x4400
INIT_IPI  equ 0x4500
SIPI      equ 0x4600
OTHERS    equ 0xc0000
COUNT_VECTOR equ 0x40
FLUSH_VECTOR equ 0x41
WAKE_VECTOR  equ 0x42
; Per-processor block, reached through GS.
CPU_INDEX equ 0
CPU_IPIS  equ 8
CPU_NMIS  equ 16
CPU_WAKES equ 24
CPU_BYTES equ 64

; ---------------------------------------------------------------- processor 0 and the others come up
main64: mov [boot_info], ebx
        mov al, 0xff                    ; no interrupts from the 8259 pair
        out 0x21, al
        out 0xa1, al
        mov rsi, banner
        call print
        call read_scale
        call count_cpus
        call build_idt
        xor r15d, r15d
        call this_cpu
        mov esi, trampoline             ; where the others start in real mode
        mov edi, STARTUP
        mov ecx, trampoline_end - trampoline
        rep movsb
        mov dword [arrived], 1
        cmp r14d, 1
        je .alone
        mov eax, INIT_IPI | OTHERS
        call send
        mov ecx, 100000
        call spin
        mov eax, SIPI | OTHERS | (STARTUP >> 12)
        call send
        mov ecx, 1000000                ; a processor that took the first ignores the second
        call spin
        mov eax, SIPI | OTHERS | (STARTUP >> 12)
        call send
.wait:  pause
        mov eax, [arrived]
        cmp eax, r14d
        jb .wait
.alone: mov dword [started], 1
        mov eax, r14d
        call print_number
        mov rsi, are_here
        call print
        jmp run_tests

        bits 32
others32:
        mov ax, DATA64
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov esi, others64
        jmp enter_long_mode
        bits 64
others64:
        mov r15d, 1
        lock xadd [arrived], r15d
        lea eax, [r15 + 1]
        shl eax, 12
        lea rsp, [rax + stacks]
        call this_cpu
.wait:  pause
        cmp dword [started], 0
        je .wait
        mov r14d, [cpus]
        jmp run_tests

; GS, IDT, local APIC of processor R15.
this_cpu:
        mov eax, CPU_BYTES
        mul r15d
        lea eax, [rax + blocks]
        xor edx, edx
        mov ecx, 0xc0000101             ; GS base
        wrmsr
        mov [gs:CPU_INDEX], r15
        lidt [idt_pointer]
        mov dword [APIC_SVR], 0x1ff
        mov eax, [APIC_ID]
        mov [apic_ids + r15 * 4], eax
        sti
        ret

; The number of processors by fw_cfg (selector 5), into R14D and [cpus].
count_cpus:
        mov dx, 0x510
        mov ax, 5
        out dx, ax
        inc edx
        in al, dx
        movzx r14d, al
        in al, dx
        mov ah, al
        mov al, r14b
        movzx r14d, ax
        lea eax, [r14 - 1]
        cmp eax, MAX_CPUS
        mov edi, 126
        jae fail
        mov [cpus], r14d
        ret

; The last number in the command line of the boot loader, at least 1.
read_scale:
        mov dword [scale], 1
        mov ebx, [boot_info]
        test dword [rbx], 4
        jz .done
        mov esi, [rbx + 16]
        xor ecx, ecx
        xor edx, edx                    ; in the file's name until the first blank
.next:  movzx eax, byte [rsi]
        inc esi
        test al, al
        jz .end
        cmp al, ' '
        jne .digit
        mov dl, 1
.digit: test dl, dl
        jz .next
        sub al, '0'
        cmp al, 9
        ja .next
        imul ecx, 10
        add ecx, eax
        jmp .next
.end:   test ecx, ecx
        jz .done
        mov [scale], ecx
.done:  ret

; ICR low word EAX to the processor whose APIC id word is in [ICR_HIGH]; waits until the APIC took it.
send:   mov [ICR_LOW], eax
.busy:  pause
        test dword [ICR_LOW], 0x1000
        jnz .busy
        ret

; ICR low word EAX to processor EDI. Interrupts must not send meanwhile.
send_to:
        mov edx, [apic_ids + rdi * 4]
        mov [ICR_HIGH], edx
        jmp send

spin:   pause
        dec ecx
        jnz spin
        ret

; ---------------------------------------------------------------- running the tests
run_tests:
        mov ebx, tests
.next:  cmp qword [rbx], 0
        je .end
        call barrier
        call [rbx]
        call barrier
        test r15d, r15d
        jnz .skip
        mov edi, [rbx + 24]
        mov rsi, [rbx + 16]
        call print
        call [rbx + 8]                  ; leaves the processor by `fail` when a result is wrong
        mov rsi, ok
        call print
.skip:  call barrier
        add ebx, 32
        jmp .next
.end:   test r15d, r15d
        jz restart
.idle:  sti
        hlt
        jmp .idle

; The last processor is put back by INIT out of its HLT and started at another address.
restart:
        cmp r14d, 1
        je passed
        mov rsi, name_restart
        call print
        mov esi, restarted
        mov edi, RESTART
        mov ecx, restarted_end - restarted
        rep movsb
        lea edi, [r14 - 1]
        mov eax, INIT_IPI
        call send_to
        mov ecx, 100000
        call spin
        mov eax, SIPI | (RESTART >> 12)
        call send_to
.wait:  pause
        cmp dword [restarts], 1
        jb .wait
        mov rsi, ok
        call print
passed: mov rsi, all_passed
        call print
        xor eax, eax
leave:  out 0xf4, eax
.halt:  cli
        hlt
        jmp .halt

; EDI: number of the test.
fail:   mov rsi, failed
        call print
        mov eax, edi
        call print_number
        mov rsi, newline
        call print
        mov eax, edi
        jmp leave

; All processors meet.
barrier:
        mov ecx, [barrier_round]
        mov eax, 1
        lock xadd [barrier_count], eax
        inc eax
        cmp eax, r14d
        jne .wait
        mov dword [barrier_count], 0
        inc dword [barrier_round]
        ret
.wait:  pause
        cmp [barrier_round], ecx
        je .wait
        ret

; R12D = rounds: EAX times the scale.
rounds: mul dword [scale]
        mov r12d, eax
        ret

%include "smp-processors.inc"
%include "smp-memory.inc"

; ---------------------------------------------------------------- interrupts
%macro GATE 2                           ; vector, handler
        mov eax, %2
        mov edi, idt + %1 * 16
        call gate
%endmacro
build_idt:
        xor r8d, r8d
.exception:
        mov eax, r8d
        shl eax, 4
        lea edi, [rax + idt]
        lea eax, [rax + exceptions]
        call gate
        inc r8d
        cmp r8d, 32
        jb .exception
        GATE 2, on_nmi
        GATE COUNT_VECTOR, on_count
        GATE FLUSH_VECTOR, on_flush
        GATE WAKE_VECTOR, on_wake
        GATE 0xff, on_spurious
        mov dword [page_tables + 0x1008], remap_directory + 3   ; the second gigabyte
        mov dword [remap_directory], remap_table + 3
        mov dword [remap_table], TAG_A + 3
        mov eax, 0xfee0001b             ; local APIC: writable, uncached
        mov [remap_table + 8], rax
        mov dword [TAG_A], 0
        ret
gate:   mov [rdi], ax
        mov word [rdi + 2], CODE64
        mov word [rdi + 4], 0x8e00
        shr eax, 16
        mov [rdi + 6], ax
        ret

on_nmi: inc qword [gs:CPU_NMIS]
        iretq
on_count:
        inc qword [gs:CPU_IPIS]
        mov dword [APIC_EOI], 0
        iretq
on_flush:
        invlpg [REMAPPED]
        lock inc dword [flushed]
        mov dword [APIC_EOI], 0
        iretq
on_wake:
        inc qword [gs:CPU_WAKES]
        mov dword [APIC_EOI], 0
        iretq
on_spurious:
        iretq

; Stubs of 16 bytes: vector number, then the report. The frame is printed from the top of the stack, error code or not.
        align 16
exceptions:
%assign vector 0
%rep 32
        mov eax, vector
        jmp near unexpected
        align 16
%assign vector vector + 1
%endrep
unexpected:
        mov rsi, exception
        call print
        call print_number
        mov ecx, 4
.word:  mov al, ' '
        call print_byte
        pop rax
        call print_hex
        loop .word
        mov rsi, newline
        call print
        mov edi, 127
        jmp fail

; ---------------------------------------------------------------- code that runs elsewhere
        bits 16
trampoline:
        cli
        xor ax, ax
        mov ds, ax
        o32 lgdt [STARTUP + .gdt - trampoline]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp dword CODE32:others32
.gdt:   dw gdt_pointer - gdt - 1
        dd gdt
trampoline_end:

restarted:
        cli
        xor ax, ax
        mov ds, ax
        o32 lgdt [RESTART + .gdt - restarted]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp dword CODE32:.protected
.gdt:   dw gdt_pointer - gdt - 1
        dd gdt
.protected equ restarted32
restarted_end:
        bits 32
restarted32:
        mov ax, DATA64
        mov ds, ax
        lock inc dword [restarts]
.halt:  cli
        hlt
        jmp .halt

        bits 64
        align 8
shared_code:
        nop
        nop
        nop
        db 0xb8                         ; mov eax, imm32: the number lies on a multiple of four
        dd 0
        ret

        align 16
idt_pointer:
        dw 256 * 16 - 1
        dq idt
        align 8
tests:  dq spin_lock_run, spin_lock_check, name_spin, 1
        dq atomics_run, atomics_check, name_atomics, 2
        dq ipis_run, ipis_check, name_ipis, 3
        dq wakes_run, wakes_check, name_wakes, 4
        dq self_run, none, name_self, 5
        dq cross_run, none, name_cross, 6
        dq writes_run, writes_check, name_writes, 7
        dq remap_run, none, name_remap, 8
        dq order_run, none, name_order, 9
        dq float_run, float_check, name_float, 10
        dq 0

banner:       db "SMP proof: ", 0
are_here:     db " processors", 13, 10, 0
name_spin:    db "spin lock", 0
name_atomics: db "atomics", 0
name_ipis:    db "interprocessor interrupts", 0
name_wakes:   db "waking from HLT", 0
name_self:    db "self-modifying code", 0
name_cross:   db "cross-modifying code", 0
name_writes:  db "lost writes", 0
name_remap:   db "TLB shoot-down", 0
name_order:   db "memory order", 0
name_float:   db "floating point", 0
name_restart: db "INIT and restart", 0
ok:           db ": ok"
newline:      db 13, 10, 0
all_passed:   db "PASSED", 13, 10, 0
failed:       db " FAILED: test ", 0
exception:    db " exception ", 0
load_end:

        absolute load_end
        alignb 4096
page_tables:     resb 6 * 4096
remap_directory: resb 4096
remap_table:     resb 4096
idt:             resb 4096
code_pages:      resb MAX_CPUS * 4096
stacks:          resb (MAX_CPUS + 1) * 4096
stack:           resb 0x4000
stack_top:
; Words that processors fight for, each in a cache line of its own.
        alignb 64
blocks:          resb MAX_CPUS * CPU_BYTES
lock_word:       resb 64
locked_a:        resb 64
locked_b:        resb 64
counts:          resb 64
pair:            resb 64
split_line:      resb 128
bitmap:          resb 0x1000
barrier_count:   resb 64
barrier_round:   resb 64
sequence:        resb 64
crossed:         resb 64
wake_round:      resb 64
woken:           resb 64
published:       resb 64
flushed:         resb 64
order_words:     resb 128 * (MAX_CPUS / 2)
apic_ids:        resd MAX_CPUS
sums:            resq MAX_CPUS
sums_x87:        resq MAX_CPUS
arrived:         resd 1
started:         resd 1
restarts:        resd 1
cpus:            resd 1
scale:           resd 1
boot_info:       resd 1
bss_end:
