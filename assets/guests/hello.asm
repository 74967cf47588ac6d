; A guest that says hello on the first serial port from 64-bit mode and powers the machine off as ACPI prescribes:
; RSDP, RSDT, FADT, then SLP_TYP of \_S5 from the DSDT with SLP_EN into PM1a_CNT (ACPI 6.5, 4.8.3.2.1 and 7.4.2).
%include "long-mode.inc"
%include "console.inc"

main64: mov rsi, greeting
        call print
        mov eax, 0x80000000             ; how the processor calls itself
        cpuid
        cmp eax, 0x80000004
        jb .unnamed
        mov rsi, running_on
        call print
        mov edi, brand
        mov ebp, 0x80000002
.part:  mov eax, ebp
        cpuid
        mov [rdi], eax
        mov [rdi + 4], ebx
        mov [rdi + 8], ecx
        mov [rdi + 12], edx
        add edi, 16
        inc ebp
        cmp ebp, 0x80000005
        jb .part
        mov rsi, brand
        call print
        mov rsi, newline
        call print
.unnamed:
        call power_off
        mov rsi, still_here
        call print
.halt:  cli
        hlt
        jmp .halt

; Returns only when the tables lack what is needed or the machine stays on.
power_off:
        mov rbx, 0xe0000
        mov rax, 'RSD PTR '
.find_rsdp:
        cmp [rbx], rax
        je .rsdp
        add rbx, 16
        cmp rbx, 0x100000
        jb .find_rsdp
        ret
.rsdp:  mov ebx, [rbx + 16]
        mov ecx, [rbx + 4]              ; length of the RSDT
        sub ecx, 36
        shr ecx, 2
        lea rbp, [rbx + 36]
.table: test ecx, ecx
        jz .none
        mov ebx, [rbp]
        add rbp, 4
        dec ecx
        cmp dword [rbx], 'FACP'
        jne .table
        mov esi, [rbx + 40]             ; DSDT
        mov edx, [rbx + 64]             ; PM1a_CNT_BLK
        mov ecx, [rsi + 4]
.find_s5:
        cmp dword [rsi], '_S5_'
        je .s5
        inc rsi
        dec ecx
        jnz .find_s5
.none:  ret
.s5:    add rsi, 4                      ; PackageOp, PkgLength of one byte, NumElements, first element
        cmp byte [rsi], 0x12
        jne .none
        add rsi, 3
        xor eax, eax
        mov al, [rsi]
        cmp al, 0x0a                    ; BytePrefix
        jne .type
        mov al, [rsi + 1]
.type:  shl eax, 10
        or eax, 1 << 13                 ; SLP_EN
        out dx, ax
        mov ecx, 1000000                ; the machine may take a moment
.wait:  pause
        loop .wait
        ret

greeting:   db "Hello from 64-bit mode.", 13, 10, 0
running_on: db "Processor: ", 0
newline:    db 13, 10, 0
still_here: db "The machine did not power off.", 13, 10, 0
load_end:

        absolute load_end
brand:  resb 49
        alignb 4096
page_tables: resb 6 * 4096
stack:  resb 0x4000
stack_top:
bss_end:
