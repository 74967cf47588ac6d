; A guest that says what it is about to do and shuts its processor down: an interrupt table without a single gate makes the
; invalid opcode a double fault and that a triple fault (SDM vol. 3A, 6.15, interrupt 8).
%include "long-mode.inc"
%include "console.inc"

main64: mov rsi, announcement
        call print
        lidt [no_gates]
        ud2
        mov rsi, impossible
        call print
.halt:  hlt
        jmp .halt

announcement: db "About to triple-fault.", 13, 10, 0
impossible:   db "The processor went on.", 13, 10, 0
no_gates:     dw 0
              dq 0
load_end:

        absolute load_end
        alignb 4096
page_tables: resb 6 * 4096
stack:  resb 0x4000
stack_top:
bss_end:
