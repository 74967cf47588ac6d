; A guest that stays: greets on the first serial port, then sends back whatever comes over it, between two of which it halts.
%include "long-mode.inc"
%include "console.inc"

TICK    equ 11932                      ; 1193182 Hz / 100: the halted processor wakes a hundred times a second

main64: mov rsi, greeting
        call print
        lea rax, [rel tick]             ; IRQ 0 wakes HLT
        mov edi, idt + 0x20 * 16
        mov [rdi], ax
        mov word [rdi + 2], cs
        mov word [rdi + 4], 0x8e00
        shr rax, 16
        mov [rdi + 6], ax
        shr rax, 16
        mov [rdi + 8], eax
        lidt [idt_pointer]
        mov al, 0x11                    ; both 8259s: vectors from 0x20, only IRQ 0 open
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
        mov al, 0xfe
        out 0x21, al
        mov al, 0xff
        out 0xa1, al
        mov al, 0x34                    ; 8254 counter 0, rate generator
        out 0x43, al
        mov al, TICK & 0xff
        out 0x40, al
        mov al, TICK >> 8
        out 0x40, al
        sti
.wait:  hlt
.next:  mov dx, COM1 + 5
        in al, dx
        test al, 1                      ; data ready
        jz .wait
        mov dx, COM1
        in al, dx
        call print_byte
        jmp .next

tick:   push rax
        mov al, 0x20
        out 0x20, al
        pop rax
        iretq

greeting: db "What comes is sent back.", 13, 10, 0
        align 8
idt_pointer: dw 0x21 * 16 - 1
        dq idt
load_end:

        absolute load_end
        alignb 16
idt:    resb 0x21 * 16
        alignb 4096
page_tables: resb 6 * 4096
stack:  resb 0x4000
stack_top:
bss_end:
