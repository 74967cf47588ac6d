; A boot sector that writes the disk it came from: from sector 64 on, 64 sectors a call of INT 13h 43h, each with its own number at its
; start. How many calls is the word at 508; what became of them it says on COM1 as one line, `filled` or `failed` with the status of the
; BIOS in hexadecimal. It ends by powering off as bootsec.asm does.
        bits 16
        org 0x7c00
BUFFER  equ 0x1000                      ; segment
COUNT   equ 64

start:  xor ax, ax
        mov ds, ax
        mov ss, ax
        mov sp, 0x7c00
        cld
        mov [drive], dl
        mov ax, 0x00e3                  ; 9600 baud, 8 bits, no parity
        xor dx, dx
        int 0x14
        mov si, begun
        call say
next:   mov ax, BUFFER                  ; each sector says which it is
        mov es, ax
        xor di, di
        mov eax, [packet.sector]
        mov cx, COUNT
.stamp: mov [es:di], eax
        inc eax
        add di, 512
        loop .stamp
        mov ax, 0x4300
        mov dl, [drive]
        mov si, packet
        int 0x13
        jc failed
        add dword [packet.sector], COUNT
        dec word [calls]
        jnz next
        mov si, filled
        call say
off:    mov ax, 0xb102                  ; find a PCI device
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

failed: mov bl, ah
        mov si, word_failed
        call say
        mov al, bl
        shr al, 4
        call digit
        mov al, bl
        and al, 15
        call digit
        mov si, line
        call say
        jmp off
digit:  cmp al, 10
        sbb al, 0x69
        das
        jmp put
say:    lodsb
        test al, al
        jz .end
        call put
        jmp say
.end:   ret
put:    mov ah, 0x01
        xor dx, dx
        push bx
        int 0x14
        pop bx
        ret

drive:  db 0
begun:  db "filling", 13, 10, 0
filled: db "filled", 13, 10, 0
word_failed:
        db "failed ", 0
line:   db 13, 10, 0
        align 4
packet: db 16, 0
        dw COUNT
        dw 0, BUFFER
.sector:
        dd 64, 0
        times 508 - ($ - $$) db 0
calls:  dw 1
        dw 0xaa55
