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

; ---------------------------------------------------------------- 1 spin lock
SPINS   equ 4000
spin_lock_run:
        mov eax, SPINS
        call rounds
.again: mov eax, 1
.take:  xchg [lock_word], eax
        test eax, eax
        jz .mine
.held:  pause
        cmp dword [lock_word], 0
        jne .held
        mov eax, 1
        jmp .take
.mine:  mov rax, [locked_a]             ; not atomic on purpose
        inc rax
        mov [locked_a], rax
        mov rdx, [locked_b]
        inc rdx
        cmp rax, rdx
        jne wrong
        mov [locked_b], rdx
        mov dword [lock_word], 0
        dec r12d
        jnz .again
        ret
wrong:  mov edi, [rbx + 24]
        jmp fail

spin_lock_check:
        mov eax, SPINS
        call total
        cmp [locked_a], rax
        jne wrong
        ret

; RAX = EAX rounds of all processors together.
total:  call rounds
        mul r14d
        shl rdx, 32
        or rax, rdx
        ret

; ---------------------------------------------------------------- 2 atomics
ATOMICS equ 4000
atomics_run:
        push rbx
        mov eax, ATOMICS
        call rounds
.again: lock inc dword [counts]
        mov eax, 1
        lock xadd [counts + 8], rax
        mov ax, [counts + 16]
.cas:   lea ecx, [rax + 1]
        lock cmpxchg [counts + 16], cx
        jne .cas
        mov rax, [pair]
        mov rdx, [pair + 8]
.wide:  lea rbx, [rax + 1]
        lea rcx, [rdx + 2]
        lock cmpxchg16b [pair]
        jne .wide
        lock add dword [split_line + 62], 1     ; over two cache lines
        lock dec qword [counts + 24]
        lock xor byte [counts + 32], 1
        dec r12d
        jnz .again
        pop rbx
        mov ecx, r15d                   ; every processor sets its own bits of shared words
.bits:  lock bts [bitmap], rcx
        jc wrong
        add ecx, r14d
        cmp ecx, 0x8000
        jb .bits
        ret

atomics_check:
        mov eax, ATOMICS
        call total
        cmp [counts], eax
        jne wrong
        cmp [counts + 8], rax
        jne wrong
        cmp [counts + 16], ax
        jne wrong
        cmp [pair], rax
        jne wrong
        lea rdx, [rax + rax]
        cmp [pair + 8], rdx
        jne wrong
        cmp [split_line + 62], eax
        jne wrong
        mov rdx, rax
        neg rdx
        cmp [counts + 24], rdx
        jne wrong
        and al, 1
        cmp [counts + 32], al
        jne wrong
        mov ecx, 0x8000 / 64 - 1
.word:  cmp qword [bitmap + rcx * 8], -1
        jne wrong
        dec ecx
        jns .word
        ret

; ---------------------------------------------------------------- 3 interprocessor interrupts
IPIS    equ 50
; Everybody to his neighbour, each IPI awaited; then processor 0 to all others; NMIs likewise.
ipis_run:
        mov eax, IPIS
        call rounds
        lea r13d, [r15 + 1]             ; the neighbour
        cmp r13d, r14d
        jb .neighbour
        xor r13d, r13d
.neighbour:
        mov r8d, CPU_BYTES
        imul r8d, r13d
        add r8d, blocks
        xor r9d, r9d
.ring:  inc r9
        mov edi, r13d
        mov eax, FIXED_IPI | COUNT_VECTOR
        call send_to
.seen:  pause
        cmp [r8 + CPU_IPIS], r9
        jb .seen
        mov edi, r13d
        mov eax, NMI_IPI
        call send_to
.nmi:   pause
        cmp [r8 + CPU_NMIS], r9
        jb .nmi
        cmp r9d, r12d
        jb .ring
        call barrier
        test r15d, r15d
        jnz .done
        xor r9d, r9d
.all:   inc r9d
        mov eax, FIXED_IPI | OTHERS | COUNT_VECTOR
        call send
        lea r10d, [r12 + r9]
        mov ecx, 1
.each:  cmp ecx, r14d
        jae .round
        mov eax, ecx
        shl eax, 6
.await: pause
        cmp [blocks + rax + CPU_IPIS], r10
        jb .await
        inc ecx
        jmp .each
.round: cmp r9d, r12d
        jb .all
.done:  ret

ipis_check:
        mov eax, IPIS
        call rounds
        xor ecx, ecx
        mov r10d, r12d                  ; processor 0 had the ring only
.each:  mov eax, ecx
        shl eax, 6
        cmp [blocks + rax + CPU_IPIS], r10
        jne wrong
        cmp [blocks + rax + CPU_NMIS], r12
        jne wrong
        lea r10d, [r12 + r12]
        inc ecx
        cmp ecx, r14d
        jb .each
        ret

; ---------------------------------------------------------------- 4 waking from HLT
WAKES   equ 50
wakes_run:
        mov eax, WAKES
        call rounds
        xor r9d, r9d
        test r15d, r15d
        jz .waker
.sleep: inc r9d
.look:  cli
        cmp [wake_round], r9d
        jae .awake
        sti                             ; the shadow of STI covers HLT: no wake-up is lost
        hlt
        jmp .look
.awake: sti
        lock inc dword [woken]
        cmp r9d, r12d
        jb .sleep
        ret
.waker: cmp r14d, 1
        je .self
.round: inc r9d
        mov [wake_round], r9d
        mov eax, FIXED_IPI | OTHERS | WAKE_VECTOR
        call send
        lea r10d, [r14 - 1]
        imul r10d, r9d
.all:   pause
        cmp [woken], r10d
        jb .all
        cmp r9d, r12d
        jb .round
        ret
.self:  cli                             ; a lone processor wakes itself
        mov eax, FIXED_IPI | 0x40000 | WAKE_VECTOR
        call send
        sti
        hlt
        inc r9d
        cmp r9d, r12d
        jb .self
        ret

wakes_check:
        cmp r14d, 1
        jne .many
        cmp [blocks + CPU_WAKES], r12
        jb wrong
.many:  ret

; ---------------------------------------------------------------- 5 self-modifying code
PATCHES equ 1000
self_run:
        mov eax, PATCHES
        call rounds
        mov edi, r15d                   ; a copy of its own in its own page
        shl edi, 12
        add edi, code_pages
        mov r8d, edi
        mov esi, patcher
        mov ecx, patcher_end - patcher
        rep movsb
        lea r9d, [r8 + patcher_ahead - patcher]
.again: mov edi, r12d
        call r8                         ; patches the instruction right behind the store
        cmp eax, r12d
        jne wrong
        lea eax, [r12 + 7]
        mov [r8 + patcher_imm - patcher], eax
        call r9                         ; patched from outside
        lea edx, [r12 + 7]
        cmp eax, edx
        jne wrong
        dec r12d
        jnz .again
none:   ret

patcher:
        mov [rel patcher_imm], edi
patcher_ahead:
        db 0xb8                         ; mov eax, imm32
patcher_imm:
        dd 0
        ret
patcher_end:

; ---------------------------------------------------------------- 6 cross-modifying code
CROSSES equ 100
cross_run:
        mov eax, CROSSES
        call rounds
        xor r9d, r9d
        test r15d, r15d
        jz .writer
.round: inc r9d
.await: call shared_code                ; unserialized: the old number or the new one, nothing else
        mov ecx, eax
        sub ecx, r9d
        inc ecx
        cmp ecx, 1
        ja wrong
        pause
        cmp [sequence], r9d
        jb .await
        push rbx
        xor eax, eax
        cpuid                           ; serializes: from here on the new one
        pop rbx
        call shared_code
        cmp eax, r9d
        jne wrong
        lock inc dword [crossed]
        cmp r9d, r12d
        jb .round
        ret
.writer:
        inc r9d
        mov [shared_code + 4], r9d      ; aligned: no processor sees half of it
        mov [sequence], r9d
        lea r10d, [r14 - 1]
        imul r10d, r9d
.all:   pause
        cmp [crossed], r10d
        jb .all
        cmp r9d, r12d
        jb .writer
        ret

; ---------------------------------------------------------------- 7 lost writes
PASSES  equ 20
writes_run:
        mov eax, PASSES
        call rounds
        xor r9d, r9d
.pass:  inc r9d
        mov edi, WRITES
        mov ecx, PAGES
.page:  mov [rdi + r15 * 8], r9d        ; lanes of eight bytes side by side
        mov [rdi + r15 * 8 + 4], r9w
        mov [rdi + r15 * 8 + 6], r9b
        lock inc dword [rdi + 0x800]
        movd xmm0, r9d
        pshufd xmm0, xmm0, 0
        mov eax, r15d
        shl eax, 4
        movdqu [rdi + rax + 0xa04], xmm0
        add edi, 0x1000
        dec ecx
        jnz .page
        mov edi, WRITES
        mov ecx, PAGES
.check: cmp [rdi + r15 * 8], r9d
        jne wrong
        cmp [rdi + r15 * 8 + 4], r9w
        jne wrong
        cmp [rdi + r15 * 8 + 6], r9b
        jne wrong
        mov eax, r15d
        shl eax, 4
        cmp [rdi + rax + 0xa04 + 12], r9d
        jne wrong
        add edi, 0x1000
        dec ecx
        jnz .check
        cmp r9d, r12d
        jb .pass
        ret

writes_check:
        mov eax, PASSES
        call total
        mov edi, WRITES
        mov ecx, PAGES
.page:  cmp [rdi + 0x800], eax
        jne wrong
        add edi, 0x1000
        dec ecx
        jnz .page
        ret

; ---------------------------------------------------------------- 8 TLB shoot-down
REMAPS  equ 100
remap_run:
        mov eax, REMAPS
        call rounds
        test r15d, r15d
        jz .mapper
.read:  mov ecx, [published]
        mov eax, [REMAPPED]             ; at least as new as the mapping known before
        cmp eax, ecx
        jb wrong
        pause
        cmp ecx, r12d
        jb .read
        ret
.mapper:
        xor r9d, r9d
.round: inc r9d
        mov eax, TAG_A
        test r9d, 1
        jz .even
        mov eax, TAG_B
.even:  mov [rax], r9d
        or eax, 3
        mov [remap_table], rax
        invlpg [REMAPPED]
        mov dword [flushed], 1
        cmp r14d, 1
        je .flushed
        mov eax, FIXED_IPI | OTHERS | FLUSH_VECTOR
        call send
.await: pause
        cmp [flushed], r14d
        jb .await
.flushed:
        mov [published], r9d
        cmp [REMAPPED], r9d
        jne wrong
        cmp r9d, r12d
        jb .round
        ret

; ---------------------------------------------------------------- 9 order of memory accesses
ORDERS  equ 4000
STORES  equ 50
; Even processors write, odd ones read; a last one without partner does nothing.
order_run:
        mov eax, ORDERS
        call rounds
        mov r8d, r15d
        shr r8d, 1
        shl r8d, 7
        lea r8d, [r8 + order_words]     ; 128 bytes for each pair: data, flag in the other line
        mov eax, r15d
        or eax, 1
        cmp eax, r14d
        jae .done
        xor r9d, r9d
        test r15d, 1
        jnz .reader
.write: inc r9d
        mov [r8], r9d
        mov [r8 + 64], r9d
        cmp r9d, r12d
        jb .write
        jmp .store
.reader:
        mov ecx, [r8 + 64]
        mov eax, [r8]
        cmp eax, ecx
        jb wrong
        pause
        cmp ecx, r12d
        jb .reader
.store: mov eax, STORES                 ; both store, fence and look at the other's word: one of them sees it
        call rounds
        xor r9d, r9d
        mov r10d, r15d
        and r10d, 1
        shl r10d, 3
        mov r11d, r10d
        xor r11d, 8
.again: inc r9d
        mov [r8 + 16 + r10], r9d
        mfence
        mov eax, [r8 + 16 + r11]
        mov [r8 + 32 + r10], eax
        call .meet
        cmp [r8 + 32], r9d
        je .fine
        cmp [r8 + 40], r9d
        jne wrong
.fine:  call .meet
        cmp r9d, r12d
        jb .again
.done:  ret
.meet:  mov eax, 1                      ; a barrier of the two
        lock xadd [r8 + 80], eax
        and eax, -2
        add eax, 2
.await: pause
        cmp [r8 + 80], eax
        jb .await
        ret

; ---------------------------------------------------------------- 10 floating point belongs to each processor
SUMS    equ 2000
float_run:
        mov eax, SUMS
        call rounds
        fninit
        fldz
        xorpd xmm1, xmm1
        mov ecx, r12d
.again: cvtsi2sd xmm0, ecx
        sqrtsd xmm0, xmm0
        addsd xmm1, xmm0
        mov [rsp - 8], ecx
        fild dword [rsp - 8]
        fsqrt
        faddp st1, st0
        dec ecx
        jnz .again
        movsd [sums + r15 * 8], xmm1
        fstp qword [sums_x87 + r15 * 8]
        ret
float_check:
        mov rax, [sums]
        mov rdx, [sums_x87]
        mov ecx, r14d
.each:  dec ecx
        cmp [sums + rcx * 8], rax
        jne wrong
        cmp [sums_x87 + rcx * 8], rdx
        jne wrong
        test ecx, ecx
        jnz .each
        ret

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
