; The Welcome machine: a picture, a keyboard that answers, and nine ways to make the processor leave the guest, each with its price.
; Keys 1 to 9 do one of them once, A does all, S does the first a thousand times; the same keys work over COM1.
%include "long-mode.inc"
%include "console.inc"
%include "welcome-drawing.inc"

RATE    equ 60                          ; pictures a second
DIVISOR equ 1193182 / RATE
ROWS    equ 9
TOP     equ 170                         ; of the first row, in pixels
STEP    equ 38
INK     equ 0xe6e9ef
SOFT    equ 0x8fa3c4
ACCENT  equ 0x7fb0ff
GROUND  equ 0x101828
LIT     equ 0x23395f
BARS    equ 24
KEYS    equ 16                          ; that wait; a power of two

main64: lea rax, [rel greeting]
        mov rsi, rax
        call print
        call read_font
        call set_mode
        jc .blind
        mov byte [sees], 1
        call paint
.blind: call start_interrupts
        sti
.loop:  hlt
        call take_key
        call take_byte
        cmp byte [sees], 0
        je .loop
        mov eax, [ticks]
        cmp eax, [drawn]
        je .loop
        mov [drawn], eax
        call animate
        call fade
        jmp .loop

; ---- interrupts ----

; Gate of vector EDX: handler RAX.
gate:   push rax
        mov edi, edx
        shl edi, 4
        add edi, idt
        mov [rdi], ax
        mov word [rdi + 2], cs
        mov word [rdi + 4], 0x8e00
        shr rax, 16
        mov [rdi + 6], ax
        shr rax, 16
        mov [rdi + 8], eax
        pop rax
        ret

start_interrupts:
        lea rax, [rel tick]
        mov edx, 0x20
        call gate
        lea rax, [rel key]
        mov edx, 0x21
        call gate
        lea rax, [rel undefined]
        mov edx, 6
        call gate
        lea rax, [rel protection]
        mov edx, 13
        call gate
        lea rax, [rel page_fault]
        mov edx, 14
        call gate
        lidt [idt_pointer]
        mov al, 0x11                    ; both 8259s: vectors from 0x20, timer and keyboard open
        out 0x20, al
        out 0xa0, al
        mov al, 0x20
        out 0x21, al
        mov al, 0x28
        out 0xa1, al
        mov al, 4
        out 0x21, al
        mov al, 2
        out 0xa1, al
        mov al, 1
        out 0x21, al
        out 0xa1, al
        mov al, 0xfc
        out 0x21, al
        mov al, 0xff
        out 0xa1, al
        mov al, 0x34                    ; 8254 counter 0, rate generator
        out 0x43, al
        mov al, DIVISOR & 0xff
        out 0x40, al
        mov al, DIVISOR >> 8
        out 0x40, al
        mov al, 0xae                    ; keyboard on
        out 0x64, al
        call settle
        mov al, 0x60                    ; command byte: interrupt, scan set 1
        out 0x64, al
        call settle
        mov al, 0x45
        out 0x60, al
        call settle
        mov al, 0xf4                    ; scan
        out 0x60, al
        ret

; Until the keyboard controller takes another byte; not for ever.
settle: mov ecx, 100000
.wait:  in al, 0x64
        test al, 2
        jz .free
        loop .wait
.free:  ret

tick:   push rax
        inc dword [ticks]
        mov al, 0x20
        out 0x20, al
        pop rax
        iretq

key:    push rax
        push rdx
        in al, 0x60
        test al, al
        js .up                          ; going up
        movzx edx, byte [written]
        inc byte [written]
        and edx, KEYS - 1
        mov [keys + rdx], al
.up:    mov al, 0x20
        out 0x20, al
        pop rdx
        pop rax
        iretq

; VMCALL where nobody serves it: three bytes.
undefined:
        add qword [rsp], 3
        iretq
; An error code lies above the return address. RDMSR is two bytes.
protection:
        add rsp, 8
        add qword [rsp], 2
        iretq
; The access that faulted is `mov al, [rdi]`, two bytes.
page_fault:
        add rsp, 8
        add qword [rsp], 2
        iretq

; ---- keys ----

; A key of the keyboard, by its place in scan set 1.
take_key:
        movzx edx, byte [taken]
        cmp dl, [written]
        je .none
        inc byte [taken]
        and edx, KEYS - 1
        movzx eax, byte [keys + rdx]
        call .do
        jmp take_key
.do:    cmp al, 2
        jb .none
        cmp al, 1 + ROWS
        jbe .row
        cmp al, 0x1e
        je do_all
        cmp al, 0x1f
        je storm
.none:  ret
.row:   sub al, 2
        jmp do_row

; The same by its letter, over the serial port.
take_byte:
        mov dx, COM1 + 5
        in al, dx
        test al, 1
        jz .none
        mov dx, COM1
        in al, dx
        or al, 0x20
        cmp al, 'a'
        je do_all
        cmp al, 's'
        je storm
        sub al, '1'
        cmp al, ROWS
        jb do_row
.none:  ret

do_all: xor eax, eax
.next:  push rax
        call do_row
        pop rax
        inc eax
        cmp eax, ROWS
        jb .next
        ret

storm:  mov r15d, 1000
.next:  xor eax, eax
        cpuid
        dec r15d
        jnz .next
        add qword [counts], 999         ; the last one is counted and measured as usual
        xor eax, eax
        ; falls through

; Do what row EAX says, count it, measure it, tell it on both.
do_row: movzx r14d, al
        rdtsc
        shl rdx, 32
        or rax, rdx
        mov r13, rax
        mov eax, [acts + r14 * 4]
        call rax
        rdtsc
        shl rdx, 32
        or rax, rdx
        sub rax, r13
        mov [prices + r14 * 8], rax
        inc qword [counts + r14 * 8]
        mov byte [lights + r14], 20
        mov esi, [names + r14 * 4]
        call print
        mov esi, arrow
        call print
        mov rax, [prices + r14 * 8]
        call print_number
        mov esi, nanoseconds
        call print
        cmp byte [sees], 0
        je .done
        call paint_row
.done:  ret

act_cpuid:
        xor eax, eax
        cpuid
        ret
act_port:
        out 0x80, al
        ret
act_mmio:
        mov edi, 0xfec00000             ; I/O APIC, register select
        mov eax, [rdi]
        ret
act_hlt:
        sti
        hlt
        ret
act_memory:                             ; nobody has touched it yet; large pages map 2 MiB at a time
        mov rdi, [fresh]
        mov byte [rdi], 1
        add rdi, 0x200000
        cmp rdi, 0x40000000
        jb .more
        mov edi, 0x400000
.more:  mov [fresh], rdi
        ret
act_fault:                              ; beyond what the tables map
        mov rdi, strict qword 0x800000000
        mov al, [rdi]
        ret
act_vmcall:
        mov eax, 0x1000                 ; no such service
        vmcall
        ret
act_msr:
        mov ecx, 0x1a0                  ; IA32_MISC_ENABLE
        rdmsr
        ret
act_control:
        mov rax, cr0
        xor eax, 0x20                   ; NE, twice
        mov cr0, rax
        xor eax, 0x20
        mov cr0, rax
        ret

; ---- picture ----

paint:  xor esi, esi                    ; a ground that grows lighter downwards
.line:  push rsi
        mov eax, esi
        shr eax, 4
        mov edx, eax
        shl edx, 8
        or eax, edx
        add eax, GROUND
        xor edi, edi
        mov ecx, WIDTH
        mov ebx, 1
        call fill
        pop rsi
        inc esi
        cmp esi, HEIGHT
        jb .line
        mov esi, title
        mov r8d, 40
        mov r9d, 28
        mov r10d, 4
        mov r11d, INK
        mov r12d, GROUND + 0x000303
        call write
        mov esi, subtitle
        mov r8d, 40
        mov r9d, 104
        mov r10d, 1
        mov r11d, SOFT
        mov r12d, GROUND + 0x000606
        call write
        mov esi, heads
        mov r8d, 40
        mov r9d, 142
        call write
        xor r14d, r14d
.row:   call paint_row
        inc r14d
        cmp r14d, ROWS
        jb .row
        mov esi, footer
        mov r8d, 40
        mov r9d, 548
        mov r10d, 1
        mov r11d, SOFT
        mov r12d, GROUND + 0x002222
        call write
        mov esi, footer2
        mov r8d, 40
        mov r9d, 568
        jmp write

; Row R14.
paint_row:
        mov eax, GROUND
        mov r11d, INK
        cmp byte [lights + r14], 0
        je .dark
        mov eax, LIT
        mov r11d, 0xffffff
.dark:  mov r12d, eax
        imul esi, r14d, STEP
        add esi, TOP
        mov r9d, esi
        mov edi, 32
        mov ecx, WIDTH - 64
        mov ebx, STEP - 4
        call fill
        add r9d, 9
        mov r10d, 1
        mov r8d, 48
        lea eax, [r14d + '1']
        push r11
        mov r11d, ACCENT
        call write_character
        pop r11
        mov esi, [names + r14 * 4]
        mov r8d, 80
        call write
        mov rax, [counts + r14 * 8]
        mov r8d, 470
        call write_number
        mov rax, [prices + r14 * 8]
        mov r8d, 590
        call write_number
        mov esi, unit
        jmp write

; Rows that were lit grow dark again.
fade:   xor r14d, r14d
.row:   cmp byte [lights + r14], 0
        je .next
        dec byte [lights + r14]
        jnz .next
        call paint_row
.next:  inc r14d
        cmp r14d, ROWS
        jb .row
        ret

; Bars that swing, so that one sees the machine live.
animate:
        xor r14d, r14d
.bar:   mov eax, r14d                   ; a triangle wave, one step later for each bar
        shl eax, 2
        add eax, [ticks]
        and eax, 63
        cmp eax, 32
        jb .rising
        xor eax, 63
.rising:
        add eax, 8
        mov ebx, eax                    ; height, 8 to 39
        imul edi, r14d, 12
        add edi, 470
        mov ecx, 9
        mov eax, GROUND + 0x000303
        push rbx
        push rdi
        mov esi, 40
        mov edx, 40
        sub edx, ebx
        mov ebx, edx
        test ebx, ebx
        jz .full
        call fill
.full:  pop rdi
        pop rbx
        mov esi, 80
        sub esi, ebx
        mov eax, r14d                   ; from blue to green
        imul eax, 0x0005fd
        add eax, 0x3070c0
        and eax, 0xffffff
        call fill
        inc r14d
        cmp r14d, BARS
        jb .bar
        ret

        align 4
acts:   dd act_cpuid, act_port, act_mmio, act_hlt, act_memory, act_fault, act_vmcall, act_msr, act_control
names:  dd name_cpuid, name_port, name_mmio, name_hlt, name_memory, name_fault, name_vmcall, name_msr, name_control
name_cpuid:   db "CPUID: ask the processor who it is", 0
name_port:    db "OUT to port 80h", 0
name_mmio:    db "Read a device register in memory (I/O APIC)", 0
name_hlt:     db "HLT: wait for the next timer tick", 0
name_memory:  db "Touch a fresh page (EPT violation)", 0
name_fault:   db "Page fault that the guest serves itself", 0
name_vmcall:  db "VMCALL: call the hypervisor", 0
name_msr:     db "RDMSR: read a model-specific register", 0
name_control: db "Write control register 0, twice", 0
arrow:        db " -> ", 0
nanoseconds:  db " ns", 13, 10, 0
unit:         db " ns", 0
title:        db "Rootmode", 0
subtitle:     db "A small 64-bit guest. It runs until something makes the processor leave it:", 0
heads:        db "Key  What it does                                        times      last took", 0
footer:       db "A does all of them, S the first one a thousand times.", 0
footer2:      db "Open the Inspector and watch the exits arrive: by reason, in time, with the VMCS of each.", 0
greeting:     db "Welcome. Keys 1 to 9, A and S make the processor leave this guest.", 13, 10, 0

        align 8
fresh:  dq 0x400000
idt_pointer: dw 0x22 * 16 - 1
        dq idt
load_end:

        absolute load_end
        alignb 16
frame:  resq 1
counts: resq ROWS
prices: resq ROWS
ticks:  resd 1
drawn:  resd 1
lights: resb ROWS
sees:   resb 1
written: resb 1
taken:  resb 1
keys:   resb KEYS
        alignb 16
font:   resb 256 * GLYPH
idt:    resb 0x22 * 16
        alignb 4096
page_tables: resb 6 * 4096
stack:  resb 0x4000
stack_top:
bss_end:
