; Full-screen motion for benches: 1024 by 768 by 32, every pixel another one in each picture, as fast as the processor draws them.
%define WIDTH 1024
%define HEIGHT 768
%include "long-mode.inc"
%include "console.inc"
%include "welcome-drawing.inc"

main64: call set_mode
        jc .none
        mov rsi, greeting
        call print
        xor r15d, r15d
.picture:
        xor r14d, r14d
.line:  mov eax, r14d                   ; stripes that wander downwards and change their colour
        add eax, r15d
        imul eax, eax, 0x010305
        mov edi, r14d
        imul edi, edi, PITCH
        add rdi, [frame]
        mov ecx, WIDTH
        rep stosd
        inc r14d
        cmp r14d, HEIGHT
        jb .line
        add r15d, 7
        jmp .picture
.none:  hlt
        jmp .none

greeting: db "Motion.", 13, 10, 0
load_end:

        absolute load_end
        alignb 16
frame:  resq 1
font:   resb 256 * GLYPH
        alignb 4096
page_tables: resb 6 * 4096
stack:  resb 0x4000
stack_top:
bss_end:
