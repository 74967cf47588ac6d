; A boot sector: says hello on the screen and on the first serial port by BIOS services, and powers the machine off through the PM block
; that the PCI BIOS finds (PIIX4, Intel 290562, chapter 7).
        bits 16
        org 0x7c00

start:  xor ax, ax
        mov ds, ax
        mov es, ax
        cld
        mov ax, 0x00e3                  ; 9600 baud, 8 bits, no parity
        xor dx, dx
        int 0x14
        mov si, greeting
.next:  lodsb
        test al, al
        jz .off
        mov ah, 0x0e
        mov bx, 0x0007
        int 0x10
        mov ah, 0x01
        xor dx, dx
        int 0x14
        jmp .next
.off:   mov ax, 0xb102                  ; find a PCI device
        mov cx, 0x7113
        mov dx, 0x8086
        xor si, si
        int 0x1a
        jc .halt
        mov ax, 0xb109                  ; its PM base
        mov di, 0x40
        int 0x1a
        jc .halt
        mov dx, cx
        and dx, 0xffc0
        add dx, 4
        mov ax, 0x2000                  ; SLP_EN, SLP_TYP 0: soft off
        out dx, ax
.halt:  hlt
        jmp .halt

greeting:
        db "Hello from a boot sector.", 13, 10, 0
        times 510 - ($ - $$) db 0
        dw 0xaa55
