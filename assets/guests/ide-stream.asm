; A boot sector that streams its disk through the bus master of a PIIX IDE controller (SFF-8038i; ATA/ATAPI-7): the whole of an area read
; and then written, 512 KiB a command. It marks begin and end on COM1 with { and }, then < and >, says ! at the first error, and powers off.
; The word at 508 is the number of commands of each kind; they go round in the first 64 MiB behind the first MiB. Where the word at 506 is
; not 0, it computes for ever instead of powering off.
        bits 16
        org 0x7c00
TABLE   equ 0x6000                      ; what is written lies in another page than what is executed
master  equ 0x6800
sector  equ 0x6804
COM1    equ 0x3f8
RING    equ 128 * 1024                  ; sectors

start:  xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7000
        mov word [0x76 * 4], interrupt
        mov [0x76 * 4 + 2], ax
        in al, 0xa1
        and al, 0xbf
        out 0xa1, al
        in al, 0x21
        and al, 0xfb
        out 0x21, al
        mov ax, 0xb102                  ; the IDE function
        mov cx, 0x7010
        mov dx, 0x8086
        xor si, si
        int 0x1a
        jc wrong
        mov ax, 0xb10c                  ; may be master
        mov cx, 5
        mov di, 4
        int 0x1a
        mov ax, 0xb10a
        mov di, 0x20
        int 0x1a
        and cx, 0xfff0
        mov [master], cx
        mov di, TABLE                   ; eight regions of 64 KiB from 64 KiB on
        mov eax, 0x10000
        mov cx, 8
.region:
        stosd
        mov dword [di], 0
        add di, 4
        add eax, 0x10000
        loop .region
        mov byte [di - 1], 0x80
        mov al, '{'
        mov bx, 0x0825                  ; to memory, READ DMA EXT
        call stream
        mov al, '<'
        mov bx, 0x0035
        call stream
        cmp word [computes], 0
        je off
.hot:   inc eax
        mov [TABLE], eax
        jmp .hot
off:    mov ax, 0xb102
        mov cx, 0x7113
        mov dx, 0x8086
        xor si, si
        int 0x1a
        mov ax, 0xb109
        mov di, 0x40
        int 0x1a
        mov dx, cx
        and dx, 0xffc0
        add dx, 4
        mov ax, 0x2000
        out dx, ax
        hlt
wrong:  mov al, '!'
        call mark
        jmp off

mark:   mov dx, COM1
        out dx, al
        ret

stream: push ax
        call mark
        mov dword [sector], 0
        mov bp, [calls]
.next:  mov dx, [master]
        mov al, bh
        out dx, al
        add dx, 2
        mov al, 6
        out dx, al
        add dx, 2
        mov eax, TABLE
        out dx, eax
        mov dx, 0x1f6
        mov al, 0x40
        out dx, al
        mov ecx, [sector]
        add ecx, 2048
        mov dx, 0x1f2                   ; 1024 sectors; the upper bytes first
        mov al, 4
        out dx, al
        inc dx
        rol ecx, 8
        mov al, cl
        out dx, al
        inc dx
        xor al, al
        out dx, al
        inc dx
        out dx, al
        mov dx, 0x1f2
        out dx, al
        inc dx
        ror ecx, 8
        mov al, cl
        out dx, al
        inc dx
        shr ecx, 8
        mov al, cl
        out dx, al
        inc dx
        mov al, ch
        out dx, al
        mov dx, 0x1f7
        mov al, bl
        out dx, al
        mov dx, [master]
        mov al, bh
        or al, 1
        out dx, al
        add dx, 2
.wait:  cli
        in al, dx
        test al, 4
        jnz .done
        sti
        hlt
        jmp .wait
.done:  sti
        mov dx, 0x1f7
        in al, dx
        test al, 0xa1
        jnz wrong
        mov dx, [master]
        mov al, bh
        out dx, al
        mov eax, [sector]
        add eax, 1024
        and eax, RING - 1
        mov [sector], eax
        dec bp
        jnz .next
        pop ax
        add al, 2                       ; the mark that closes
        jmp mark

interrupt:
        push ax
        mov al, 0x20
        out 0xa0, al
        out 0x20, al
        pop ax
        iret

        times 506 - ($ - $$) db 0
computes: dw 0
calls:  dw 256
        dw 0xaa55
