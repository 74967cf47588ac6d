; A boot sector for machines with several processors: starts the others by INIT and SIPI, as an operating system does, and compares the
; memory types that firmware left in every one of them (SDM vol. 3, 12.11) with its own. Says on COM1 how many agree; the count of others
; whose registers differ goes out by isa-debug-exit, 7Fh when the first one's are not as firmware has to leave them.
        bits 16
        org 0x7c00

ICR_LOW   equ 0xfee00300
OTHERS    equ 0xc0000
INIT_IPI  equ 0x4500
SIPI      equ 0x4600
PAGE      equ 0x8000                    ; where the others start
ARRIVED   equ 0x500
DIFFERENT equ 0x502
OURS      equ 0x600                     ; the first processor's registers
REGISTERS equ 12

start:  cli
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov [ARRIVED], ax
        mov [DIFFERENT], ax
        mov fs, ax
        cld
        lgdt [gdt.pointer]              ; FS reaches all of 4 GiB from real mode on
        mov eax, cr0
        or al, 1
        mov cr0, eax
        mov bx, 8
        mov fs, bx
        and al, 0xfe
        mov cr0, eax
        xor ax, ax
        mov fs, ax                      ; base 0; the limit stays

        mov si, registers
        mov di, OURS
        mov bp, REGISTERS
.read:  lodsw
        movzx ecx, ax
        rdmsr
        stosd
        mov eax, edx
        stosd
        dec bp
        jnz .read
        mov eax, 0x06060606             ; write-back below 640 KiB and above the screen, which is uncached; all enabled
        cmp [OURS], eax
        jne .wrong
        cmp dword [OURS + 2 * 8], 0
        jne .wrong
        cmp [OURS + 10 * 8], eax
        jne .wrong
        cmp dword [OURS + 11 * 8], 0xc06
        jne .wrong

        mov si, other
        mov di, PAGE
        mov cx, other_end - other
        rep movsb
        mov eax, ICR_LOW
        mov dword [fs:eax], INIT_IPI | OTHERS
        mov dword [fs:eax], SIPI | OTHERS | (PAGE >> 12)
        mov al, 0x5f                    ; how many others there are
        out 0x70, al
        in al, 0x71
        mov ah, 0
.wait:  pause
        cmp [ARRIVED], ax
        jb .wait

        inc ax
        sub ax, [DIFFERENT]
        add al, '0'
        mov ah, 1
        xor dx, dx
        int 0x14
        mov si, agree
.next:  lodsb
        test al, al
        jz .end
        mov ah, 1
        xor dx, dx
        int 0x14
        jmp .next
.end:   mov ax, [DIFFERENT]
.exit:  out 0xf4, al
        hlt
.wrong: mov al, 0x7f
        jmp .exit

registers:
        dw 0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f, 0x2ff
agree:  db " agree", 13, 10, 0

        align 8
gdt:    dq 0
        dq 0x00cf92000000ffff
.pointer:
        dw $ - gdt - 1
        dd gdt

; Runs at PAGE with CS = PAGE / 16 on every other processor; needs no stack.
other:  xor ax, ax
        mov ds, ax
        cld
        mov si, registers
        mov di, OURS
        mov bp, REGISTERS
.read:  lodsw
        movzx ecx, ax
        rdmsr
        cmp eax, [di]
        jne .other
        cmp edx, [di + 4]
        jne .other
        add di, 8
        dec bp
        jnz .read
        jmp .here
.other: lock inc word [DIFFERENT]
.here:  lock inc word [ARRIVED]
.halt:  hlt
        jmp .halt
other_end:
        times 510 - ($ - $$) db 0
        dw 0xaa55
