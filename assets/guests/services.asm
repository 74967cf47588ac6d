; The BIOS's services, called by a real-mode program that boots from a disk of at least 64 sectors: a line on COM1 for each that answers
; wrongly, then how many did by isa-debug-exit (0: all right). Sector 40 of the disk is written.
        bits 16
        org 0x7c00
BUFFER  equ 0x3000
BUFFER_BYTES equ 0x400
BUFFER32 equ BUFFER + BUFFER_BYTES
PACKET  equ 0x2f00
SECTORS equ 10

        xor ax, ax
        mov ds, ax
        mov es, ax
        mov [drive], dl
        mov ax, 0x0200 + SECTORS
        mov cx, 2
        mov dh, 0
        mov bx, 0x7e00
        int 0x13
        jc unread
        jmp main
unread: mov al, 0xff
        out 0xf4, al
        hlt
drive:  db 0
failed: db 0
        times 510 - ($ - $$) db 0
        dw 0xaa55

; A test returns carry when it failed.
        %macro fail_unless 1
        j%1 %%fine
        stc
        ret
%%fine:
        %endmacro

main:   mov si, tests
.next:  lodsw
        test ax, ax
        jz .end
        push si
        push ds
        push es
        cld
        call ax
        pop es
        pop ds
        pop si
        cld
        jnc .passed
        inc byte [failed]
        call say
        jmp .next
.passed:
        lodsb
        test al, al
        jnz .passed
        jmp .next
.end:   mov al, [failed]
        out 0xf4, al
        hlt

; The text at SI and a line end over COM1; SI behind it.
say:    lodsb
        test al, al
        jz .end
        mov ah, 1
        xor dx, dx
        int 0x14
        jmp say
.end:   mov ax, 0x010d
        int 0x14
        mov ax, 0x010a
        int 0x14
        ret

t_memory:
        int 0x12
        cmp ax, 639
        fail_unless e
        int 0x11
        test al, 2
        fail_unless nz
        clc
        ret

t_e820: xor ebx, ebx
        xor bp, bp
.entry: mov eax, 0xe820
        mov edx, 0x534d4150
        mov ecx, 24
        mov di, BUFFER
        int 0x15
        fail_unless nc
        cmp eax, 0x534d4150
        fail_unless e
        inc bp
        cmp bp, 1
        jne .more
        cmp dword [BUFFER], 0
        fail_unless e
        cmp dword [BUFFER + 8], 0x9fc00
        fail_unless e
.more:  test ebx, ebx
        jnz .entry
        cmp bp, 4
        fail_unless ae
        mov ax, 0xe801
        int 0x15
        fail_unless nc
        cmp ax, 15 * 1024
        fail_unless e
        mov ah, 0x88
        int 0x15
        cmp ax, 15 * 1024
        fail_unless e
        clc
        ret

t_refused:
        mov ax, 0x5300
        xor bx, bx
        int 0x15
        fail_unless c
        cmp ah, 0x86
        fail_unless e
        clc
        ret

t_a20:  mov ax, 0x2400
        int 0x15
        fail_unless nc
        mov ax, 0x2402
        int 0x15
        cmp al, 0
        fail_unless e
        mov ax, 0x2401
        int 0x15
        mov ax, 0x2402
        int 0x15
        cmp al, 1
        fail_unless e
        clc
        ret

; To 2 MiB and back.
t_move: mov di, BUFFER
        mov cx, 24
        xor ax, ax
        rep stosw
        mov word [BUFFER + 0x10], 0xffff
        mov word [BUFFER + 0x12], 0x7c00
        mov word [BUFFER + 0x18], 0xffff
        mov byte [BUFFER + 0x1c], 0x20
        mov si, BUFFER
        mov cx, 256
        mov ah, 0x87
        int 0x15
        fail_unless nc
        mov word [BUFFER + 0x12], 0
        mov byte [BUFFER + 0x14], 0x20
        mov word [BUFFER + 0x1a], BUFFER + 0x200
        mov byte [BUFFER + 0x1c], 0
        mov cx, 256
        mov ah, 0x87
        int 0x15
        fail_unless nc
        mov si, 0x7c00
        mov di, BUFFER + 0x200
        mov cx, 256
        repe cmpsw
        fail_unless e
        clc
        ret

t_geometry:
        mov ah, 8
        mov dl, [drive]
        xor di, di
        int 0x13
        fail_unless nc
        and cl, 0x3f
        fail_unless nz
        cmp dl, 1
        fail_unless e
        push cs
        pop es
        mov ah, 0x15
        mov dl, [drive]
        int 0x13
        cmp ah, 3
        fail_unless e
        mov ax, 0x0201                  ; sector 0 of a track is none
        mov cx, 0
        mov dh, 0
        mov dl, [drive]
        mov bx, BUFFER
        int 0x13
        fail_unless c
        cmp ah, 4
        fail_unless e
        clc
        ret

t_edd:  mov ah, 0x41
        mov bx, 0x55aa
        mov dl, [drive]
        int 0x13
        fail_unless nc
        cmp bx, 0xaa55
        fail_unless e
        mov word [BUFFER], 30
        mov si, BUFFER
        mov ah, 0x48
        mov dl, [drive]
        int 0x13
        fail_unless nc
        cmp dword [BUFFER + 16], 64
        fail_unless ae
        cmp word [BUFFER + 24], 512
        fail_unless e
        call packet
        mov ah, 0x42
        mov dl, [drive]
        mov dword [PACKET + 8], 0
        int 0x13
        fail_unless nc
        cmp word [BUFFER + 510], 0xaa55
        fail_unless e
        mov word [BUFFER], 0x1234       ; write, forget, read
        call packet
        mov ax, 0x4300
        mov dl, [drive]
        int 0x13
        fail_unless nc
        mov word [BUFFER], 0
        call packet
        mov ah, 0x42
        mov dl, [drive]
        int 0x13
        fail_unless nc
        cmp word [BUFFER], 0x1234
        fail_unless e
        call packet
        mov dword [PACKET + 8], 0x7fffffff
        mov ah, 0x42
        mov dl, [drive]
        int 0x13
        fail_unless c
        clc
        ret
packet: mov si, PACKET
        mov dword [si], 0x00010010
        mov dword [si + 4], BUFFER
        mov dword [si + 8], 40
        mov dword [si + 12], 0
        ret

t_time: mov ah, 0
        int 0x1a
        mov bx, dx
.tick:  sti
        hlt
        mov ah, 0
        int 0x1a
        cmp dx, bx
        je .tick
        mov ah, 2
        int 0x1a
        fail_unless nc
        cmp ch, 0x12                    ; noon, by the test's calendar
        fail_unless e
        mov ah, 4
        int 0x1a
        cmp cx, 0x2026
        fail_unless e
        mov cx, 0
        mov dx, 2000
        mov ah, 0x86
        int 0x15
        fail_unless nc
        clc
        ret

t_pci:  mov ax, 0xb101
        int 0x1a
        fail_unless nc
        cmp edx, 'PCI '
        fail_unless e
        mov ax, 0xb103                  ; the host bridge by its class
        mov ecx, 0x060000
        xor si, si
        int 0x1a
        fail_unless nc
        cmp bx, 0
        fail_unless e
        mov ax, 0xb10a
        xor di, di
        int 0x1a
        cmp ecx, 0x12378086
        fail_unless e
        mov ax, 0xb109
        mov di, 1
        int 0x1a
        cmp ah, 0x87
        fail_unless e
        call t_routes
        fail_unless nc
        mov ax, 0xf000                  ; the 32-bit directory and its sum
        mov ds, ax
        xor si, si
.look:  cmp dword [si], '_32_'
        je .found
        add si, 16
        jnz .look
        stc
        ret
.found: mov cx, 16
        mov ah, 0
.sum:   lodsb
        add ah, al
        loop .sum
        test ah, ah
        fail_unless z
        clc
        ret

; Interrupt routing (PCI BIOS 2.1, 4.8 and 4.9): the options are those of $PIR; a route that is set is in force, others are refused.
t_routes:
        mov word [.size], 0             ; how much room is needed
        call .ask
        fail_unless c
        cmp ah, 0x89
        fail_unless e
        mov cx, [.size]
        mov [.bytes], cx
        cmp cx, BUFFER_BYTES
        fail_unless be
        call .ask
        fail_unless nc
        cmp bx, 0x0c20                  ; 5, 10 and 11
        fail_unless e
        mov di, BUFFER
        call .same
        fail_unless nc
        mov ax, 0xb10f                  ; INTD of slot 1 to 5: PIRQD of the ISA bridge
        mov bx, 0x0b
        mov cx, 0x050d
        int 0x1a
        fail_unless nc
        mov ax, 0xb108
        mov bx, 0x08
        mov di, 0x63
        int 0x1a
        cmp cl, 5
        fail_unless e
        mov dx, 0x4d0                   ; level-triggered from now on
        in al, dx
        test al, 0x20
        fail_unless nz
        mov cx, 0x0b0d                  ; back
        mov bx, 0x0b
        mov ax, 0xb10f
        int 0x1a
        fail_unless nc
        mov cx, 0x060d                  ; an interrupt that is somebody else's
        call .refused
        mov cx, 0x050a                  ; a pin that is wired to the SCI
        call .refused
        mov cx, 0x050e                  ; no pin
        call .refused
        mov bx, 0xf8                    ; no function
        mov cx, 0x050b
        call .refused
        clc
        ret
.refused:
        mov ax, 0xb10f
        int 0x1a
        jnc .wrong
        cmp ah, 0x88
        jne .wrong
        ret
.wrong: pop ax                          ; of the call
        stc
        ret
; Carry unless the options at DI are those of a $PIR table with the right sum.
.same:  mov ax, 0xf000
        mov ds, ax
        xor si, si
.look:  cmp dword [si], '$PIR'
        je .found
        add si, 16
        jnz .look
        jmp .differ
.found: mov cx, [si + 6]
        push si
        mov ah, 0
.sum:   lodsb
        add ah, al
        loop .sum
        pop si
        test ah, ah
        jnz .differ
        add si, 32
        mov cx, [cs:.bytes]
        repe cmpsb
        je .equal
.differ:
        stc
.equal: mov ax, 0                       ; carry stays; it is clear where all is equal
        mov ds, ax
        ret
.ask:   mov ax, 0xb10e
        xor bx, bx
        mov di, .size
        int 0x1a
        ret
.size:  dw 0
        dw BUFFER, 0
.bytes: dw 0

t_keys: mov ah, 5
        mov cx, 0x1e61
        int 0x16
        cmp al, 0
        fail_unless e
        mov ah, 1
        int 0x16
        fail_unless nz
        mov ah, 0
        int 0x16
        cmp ax, 0x1e61
        fail_unless e
        mov ah, 1
        int 0x16
        fail_unless z
        clc
        ret

t_text: mov ax, 3
        int 0x10
        mov ah, 2
        mov bh, 0
        mov dx, 0x0505
        int 0x10
        mov ax, 0x0941
        mov bx, 0x001e
        mov cx, 3
        int 0x10
        mov ah, 8
        mov bh, 0
        int 0x10
        cmp ax, 0x1e41
        fail_unless e
        mov ah, 3
        mov bh, 0
        int 0x10
        cmp dx, 0x0505
        fail_unless e
        mov ax, 0x0601                  ; everything up a line
        mov bh, 7
        xor cx, cx
        mov dx, 0x184f
        int 0x10
        mov ax, 0xb800
        mov ds, ax
        cmp word [(4 * 80 + 5) * 2], 0x1e41
        fail_unless e
        mov ah, 0x0f
        int 0x10
        cmp ax, 0x5003
        fail_unless e
        clc
        ret

; A point in each kind of graphics mode.
t_points:
        mov si, .modes
.mode:  lodsb
        cmp al, 0xff
        je .done
        push si
        mov ah, 0
        int 0x10
        mov ax, 0x0c01
        mov bh, 0
        mov cx, 101
        mov dx, 77
        int 0x10
        mov ah, 0x0d
        mov bh, 0
        int 0x10
        pop si
        cmp al, 1
        fail_unless e
        jmp .mode
.done:  mov ax, 3
        int 0x10
        clc
        ret
.modes: db 0x04, 0x06, 0x0d, 0x0e, 0x10, 0x12, 0x13, 0xff

t_vbe:  mov dword [BUFFER], 'VBE2'
        mov di, BUFFER
        mov ax, 0x4f00
        int 0x10
        cmp ax, 0x004f
        fail_unless e
        cmp dword [BUFFER], 'VESA'
        fail_unless e
        mov di, BUFFER
        mov cx, 0x103
        mov ax, 0x4f01
        int 0x10
        cmp ax, 0x004f
        fail_unless e
        cmp word [BUFFER + 18], 800
        fail_unless e
        cmp dword [BUFFER + 40], 0
        fail_unless ne
        mov ax, 0x4f02
        mov bx, 0x4103
        int 0x10
        cmp ax, 0x004f
        fail_unless e
        mov ax, 0x4f03
        int 0x10
        cmp bx, 0x4103
        fail_unless e
        mov ax, 0x4f02
        mov bx, 3
        int 0x10
        cmp ax, 0x004f
        fail_unless e
        clc
        ret

; An alarm a second or two from now calls INT 4Ah; there is one at a time.
t_alarm:
        mov word [0x4a * 4], .ring
        mov word [0x4a * 4 + 2], 0
        mov byte [.rung], 0
        mov ah, 2
        int 0x1a
        fail_unless nc
        mov al, dh
        add al, 2
        daa
        cmp al, 0x60
        jb .set
        sub al, 0x60                    ; the minute after: its seconds come as well
        mov ah, al
        mov al, cl
        add al, 1
        daa
        mov cl, al
        mov al, ah
.set:   mov dh, al
        mov ah, 6
        int 0x1a
        fail_unless nc
        mov ah, 6
        int 0x1a
        fail_unless c
        mov bx, 200                     ; ticks: 11 s
.wait:  sti
        hlt
        cmp byte [.rung], 1
        je .rang
        dec bx
        jnz .wait
        stc
        ret
.rang:  mov ah, 7
        int 0x1a
        mov ah, 6
        int 0x1a
        fail_unless nc
        mov ah, 7
        int 0x1a
        clc
        ret
.ring:  mov byte [cs:.rung], 1
        iret
.rung:  db 0

; A packet that the keyboard controller is told to pass on as the mouse's reaches the program's handler.
t_mouse:
        mov ax, 0xc205
        mov bh, 3
        int 0x15
        fail_unless nc
        push cs
        pop es
        mov bx, .moved
        mov ax, 0xc207
        int 0x15
        fail_unless nc
        mov ax, 0xc200
        mov bh, 1
        int 0x15
        fail_unless nc
        mov byte [.seen], 0
        mov si, .packet
        mov cx, 3
.byte:  cli
        call .ready
        mov al, 0xd3
        out 0x64, al
        call .ready
        lodsb
        out 0x60, al
        sti
        mov dx, 2000
.pause: nop
        dec dx
        jnz .pause
        loop .byte
        mov ax, 0xc200
        mov bh, 0
        int 0x15
        fail_unless nc
        cmp byte [.seen], 1
        fail_unless e
        cmp byte [.state], 0x09
        fail_unless e
        cmp word [.x], 5
        fail_unless e
        cmp word [.y], 7
        fail_unless e
        clc
        ret
.ready: in al, 0x64
        test al, 2
        jnz .ready
        ret
.moved: push bp
        mov bp, sp
        push ax
        inc byte [cs:.seen]
        mov ax, [bp + 12]
        mov [cs:.state], al
        mov ax, [bp + 10]
        mov [cs:.x], ax
        mov ax, [bp + 8]
        mov [cs:.y], ax
        pop ax
        pop bp
        retf
.packet: db 0x09, 5, 7
.seen:  db 0
.state: db 0
.x:     dw 0
.y:     dw 0

; From 32-bit protected mode: the directory names the PCI BIOS, which answers there, and the VBE's functions set what is shown.
t_bios32:
        mov ax, 0xf000
        mov es, ax
        xor si, si
.look:  cmp dword [es:si], '_32_'
        je .found
        add si, 16
        jnz .look
        stc
        ret
.found: mov eax, [es:si + 4]
        mov [.entry], eax
        mov ax, 0x4f02                  ; 800x600 at 256 colours, with more memory than one screen
        mov bx, 0x4103
        int 0x10
        cmp ax, 0x004f
        fail_unless e
        mov ax, 0x4f0a
        mov bl, 0
        int 0x10
        cmp ax, 0x004f
        fail_unless e
        cmp [es:di], cx                 ; where each function begins: inside
        fail_unless b
        cmp [es:di + 2], cx
        fail_unless b
        cmp [es:di + 4], cx
        fail_unless b
        xor eax, eax
        mov ax, es
        shl eax, 4
        movzx edi, di
        add eax, edi
        movzx ecx, word [es:di + 2]
        add eax, ecx
        mov [.start], eax
        mov eax, [.entry]
        mov [.patch], eax
        cli
        lgdt [.gdtr]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp 8:.flat
        bits 32
.flat:  mov ax, 16
        mov ds, ax
        mov es, ax
        mov ss, ax
        movzx esp, sp
        mov eax, '$PCI'
        xor ebx, ebx
        call 8:0                        ; its offset is put in below
.patch  equ $ - 6
        mov [.result], al
        lea eax, [ebx + edx]
        mov [.service], eax
        mov [.patch2], eax
        mov eax, 'none'
        xor ebx, ebx
        mov ecx, [.entry]
        mov [.patch3], ecx
        call 8:0
.patch3 equ $ - 6
        mov [.unknown], al
        mov ax, 0xb101
        call 8:0
.patch2 equ $ - 6
        mov [.pci], edx
        mov eax, [.patch2]
        mov [.patch4], eax
        mov [.patch5], eax
        mov ax, 0xb10e                  ; into a buffer of this segment
        xor ebx, ebx
        mov edi, .size
        call 8:0
.patch4 equ $ - 6
        mov [.options], ah
        mov ax, 0xb10f
        mov bx, 0x0b
        mov cx, 0x060d                  ; not one of them
        call 8:0
.patch5 equ $ - 6
        mov [.route], ah
        mov ax, 0x4f07                  ; display start: 800 bytes on, a line
        xor ebx, ebx
        mov ecx, 800 / 4
        xor edx, edx
        call [.start]
        jmp 24:.back
        bits 16
.back:  mov eax, cr0
        and al, 0xfe
        mov cr0, eax
        jmp 0:.real
.real:  xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        sti
        mov ax, 0x4f07                  ; by the service in real mode
        mov bx, 1
        int 0x10
        push cx
        push dx
        mov ax, 3
        int 0x10
        pop dx
        pop cx
        cmp cx, 0
        fail_unless e
        cmp dx, 1
        fail_unless e
        cmp byte [.result], 0
        fail_unless e
        cmp byte [.unknown], 0x80
        fail_unless e
        cmp dword [.pci], 'PCI '
        fail_unless e
        cmp byte [.options], 0
        fail_unless e
        cmp byte [.route], 0x88
        fail_unless e
        mov di, BUFFER32
        call t_routes.same
        fail_unless nc
        clc
        ret
.size:  dw BUFFER_BYTES
        dd BUFFER32
        dw 16
.options: db 0xff
.route: db 0xff
.entry: dd 0
.start: dd 0
.service: dd 0
.pci:   dd 0
.result: db 0xff
.unknown: db 0
        align 8
.gdt:   dq 0
        dq 0x00cf9b000000ffff           ; code and data of 32 bits, all of memory
        dq 0x00cf93000000ffff
        dq 0x00009b000000ffff           ; code of 16 bits for the way back
.gdtr:  dw 31
        dd .gdt

tests:  dw t_memory
        db "INT 11h, 12h", 0
        dw t_e820
        db "INT 15h E820h, E801h, 88h", 0
        dw t_refused
        db "INT 15h 53h", 0
        dw t_a20
        db "INT 15h 24h", 0
        dw t_move
        db "INT 15h 87h", 0
        dw t_geometry
        db "INT 13h 02h, 08h, 15h", 0
        dw t_edd
        db "INT 13h 41h to 48h", 0
        dw t_time
        db "INT 1Ah, 15h 86h", 0
        dw t_pci
        db "PCI BIOS", 0
        dw t_keys
        db "INT 16h", 0
        dw t_alarm
        db "INT 1Ah 06h, 07h", 0
        dw t_mouse
        db "INT 15h C2h", 0
        dw t_bios32
        db "BIOS32, VBE in protected mode", 0
        dw t_text
        db "INT 10h text", 0
        dw t_points
        db "INT 10h points", 0
        dw t_vbe
        db "INT 10h 4Fh", 0
        dw 0
        times (SECTORS + 1) * 512 - ($ - $$) db 0
