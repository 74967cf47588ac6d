; The ROM of our BIOS: entry points at the addresses PC software knows, and stubs that trap to engine/firmware/bios by a write to a port.
; A stub keeps the caller's registers in a frame on the caller's stack; the service edits the frame and says with `action` what the stub
; does next, so that nothing here or there needs the processor. Assembled to the upper 32 KiB of segment F000h.
        cpu 686
        bits 16
        org 0x8000
BASE    equ 0x8000

TRAP    equ 0x5e0               ; write 32 bits: address of the frame
PORT32  equ 0x5e4               ; registers of a 32-bit call, and its number

; The frame, from its lowest address. Read by engine/firmware/bios/frame.ts.
        struc frame
.scratch  resd 1                ; kept between two traps of one call
.action   resw 1                ; what to do before the next trap, below
.argument resw 1
.pointer  resd 1
.gpr      resd 8                ; EDI ESI EBP ESP EBX EDX ECX EAX
.es       resw 1
.ds       resw 1
.vector   resw 1
.ip       resw 1
.cs       resw 1
.flags    resw 1
        endstruc

DO_RETURN equ 0                   ; to the caller
DO_SPIN equ 1                   ; a moment with interrupts on, then trap again
DO_HALT equ 2                   ; until an interrupt, then trap again
DO_CALL equ 3                   ; as INT: AX = argument, CF set, handler at pointer; then argument = AX, scratch bit 31 = CF
DO_MOUSE equ 4                   ; far call with four words from scratch and the argument, as INT 15h C2h prescribes
DO_MSRS equ 5                   ; write MSRs: argument records of index, low, high at pointer
DO_ENTER equ 6                   ; far call to pointer with AX = argument: an option ROM

; ---------------------------------------------------------------- traps

        %macro stub 1
stub_%1:
        push word 0x%1
        jmp trap
        %endmacro

        stub 05
        stub 09
        stub 10
        stub 11
        stub 12
        stub 13
        stub 14
        stub 15
        stub 16
        stub 17
        stub 1A
        stub 40
        stub 70
        stub 74

trap:   push ds
        push es
        pushad
        sub sp, frame.gpr
        cld
        mov bp, sp
        mov dword [bp + frame.scratch], 0
.again: xor ecx, ecx
        mov [bp + frame.action], cx
        mov eax, ecx
        mov ax, ss
        shl eax, 4
        mov cx, bp
        add eax, ecx
        mov dx, TRAP
        out dx, eax
        mov bx, [bp + frame.action]
        cmp bx, DO_ENTER
        ja .return
        add bx, bx
        jmp [cs:actions + bx]

.return:
        add sp, frame.gpr
        popad
        pop es
        pop ds
        add sp, 2
        iret

.spin:  sti
        pause
        cli
        jmp .again

.halt:  sti
        hlt
        cli
        jmp .again

.call:  push bp
        mov ax, [bp + frame.argument]
        and dword [bp + frame.scratch], 0x7fffffff
        pushf
        stc
        call far [bp + frame.pointer]
        pop bp
        mov [bp + frame.argument], ax
        jnc .again
        or byte [bp + frame.scratch + 3], 0x80
        jmp .again

; Status, x, y from the scratch words: status in the low byte of the first, x and y in the argument's bytes.
.mouse: push bp
        xor ax, ax
        mov al, [bp + frame.scratch]
        push ax
        mov al, [bp + frame.argument]
        push ax
        mov al, [bp + frame.argument + 1]
        push ax
        xor ax, ax
        push ax
        sti
        call far [bp + frame.pointer]
        cli
        add sp, 8
        pop bp
        cld
        jmp .again

.msrs:  push ds
        mov di, [bp + frame.argument]
        lds si, [bp + frame.pointer]
.msr:   test di, di
        jz .written
        mov ecx, [si]
        mov eax, [si + 4]
        mov edx, [si + 8]
        wrmsr
        add si, 12
        dec di
        jmp .msr
.written:
        pop ds
        jmp .again

.enter: push bp
        mov ax, [bp + frame.argument]
        mov bx, 0xffff
        mov dx, 0xffff
        call far [bp + frame.pointer]
        cli
        cld
        pop bp
        jmp .again

actions dw trap.return, trap.spin, trap.halt, trap.call, trap.mouse, trap.msrs, trap.enter

; INT 18h and 19h begin anew on a stack of their own; the frame's return address is where a boot sector starts.
stub_18:
        mov bl, 0x18
        jmp restart
stub_19:
        mov bl, 0x19
restart:
        cli
        xor ax, ax
        mov ss, ax
        mov sp, 0x7c00
        mov ds, ax
        mov es, ax
        push word 0x0202
        push ax
        push word 0x7c00
        mov bh, 0
        push bx
        jmp trap

; ---------------------------------------------------------------- hardware interrupts that need no service

stub_08:
        push ds
        push eax
        push dx
        mov ax, 0x40
        mov ds, ax
        mov eax, [0x6c]
        inc eax
        cmp eax, 0x1800b0               ; 24 hours
        jb .today
        xor eax, eax
        inc byte [0x70]
.today: mov [0x6c], eax
        cmp byte [0x40], 0              ; diskette motor
        je .user
        dec byte [0x40]
.user:  int 0x1c
        mov al, 0x20
        out 0x20, al
        pop dx
        pop eax
        pop ds
stub_1C:
stub_00:
        iret

end_slave:
        push ax
        mov al, 0x20
        out 0xa0, al
        out 0x20, al
        pop ax
        iret

end_master:
        push ax
        mov al, 0x20
        out 0x20, al
        pop ax
        iret

; FERR#: take the request back, then as a 8087 would have interrupted.
stub_75:
        push ax
        xor al, al
        out 0xf0, al
        mov al, 0x20
        out 0xa0, al
        out 0x20, al
        pop ax
        int 2
        iret

; ---------------------------------------------------------------- power-on

; After INIT of the first processor the shutdown status says where to go on (IBM AT, address 467h).
post:   cli
        cld
        mov al, 0x8f
        out 0x70, al
        in al, 0x71
        cmp al, 0x05
        je .resume
        cmp al, 0x0a
        je .resume
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        push word 0x0002
        push cs
        push word .booted
        push word 0x100
        jmp trap
.booted:
        int 0x19
        hlt
.resume:
        mov ah, al
        mov al, 0x8f
        out 0x70, al
        mov al, 0
        out 0x71, al
        xor bx, bx
        mov ds, bx
        cmp ah, 0x0a
        je .jump
        mov al, 0x20
        out 0xa0, al
        out 0x20, al
.jump:  jmp far [0x467]

; ---------------------------------------------------------------- 32-bit services

        bits 32
; BIOS32 directory (Standard BIOS 32-bit Service Directory 0.4): EAX names the service, BL = 0.
bios32: cmp bl, 0
        jne .function
        cmp eax, '$PCI'
        jne .unknown
        mov ebx, 0xf0000
        mov ecx, 0x10000
        mov edx, pci32
        mov al, 0
        retf
.function:
        mov al, 0x81
        retf
.unknown:
        mov al, 0x80
        retf

; PCI BIOS (2.1).
pci32:  pushf
        cli
        push eax
        and al, 0x7f
        cmp al, 0x0e
        pop eax
        je .options
        call ask32
.code:  popf
        clc
        test ah, ah
        jz .well
        stc
.well:  retf
; The service says where in this segment the routing options are (ESI, ECX); the caller's buffer is in its own segments and pages.
.options:
        push es
        push ecx
        push edx
        push esi
        push edi
        call ask32
        movzx edx, word [es:edi]        ; size of the buffer; behind it, its far pointer
        mov [es:edi], cx
        cmp edx, ecx
        jb .small
        les edi, [es:edi + 2]
        call .here
.here:  pop edx                         ; whatever base the caller gave this code
        lea esi, [esi + edx - .here]
        cld
        cs rep movsb
        jmp .out
.small: mov ah, 0x89
.out:   pop edi
        pop esi
        pop edx
        pop ecx
        pop es
        jmp .code

; Registers go through the port, so that it does not matter where segments and pages lie.
ask32:  push ebp
        push edx
        mov ebp, edx
        mov edx, PORT32
        out dx, eax
        xchg eax, ebx
        out dx, eax
        xchg eax, ecx
        out dx, eax
        mov eax, ebp
        out dx, eax
        mov eax, esi
        out dx, eax
        mov eax, edi
        out dx, eax
        mov al, 0x1a
        add edx, 4
        out dx, al
        sub edx, 4
        in eax, dx
        push eax
        in eax, dx
        mov ebx, eax
        in eax, dx
        mov ecx, eax
        in eax, dx
        mov ebp, eax
        in eax, dx
        mov esi, eax
        in eax, dx
        mov edi, eax
        pop eax
        pop edx
        mov edx, ebp
        pop ebp
        ret

        align 16
directory:
        db '_32_'
        dd 0xf0000 + bios32
        db 0                            ; revision
        db 1                            ; paragraphs
        db 0                            ; checksum: engine/firmware/bios/rom.ts
        times 5 db 0

; VBE protected-mode interface (VBE 3.0, 4.10): offsets, then position-independent code.
vbe32:  dw .window - vbe32, .start - vbe32, .palette - vbe32, 0
.window:                                ; BX = 0: set, DX = position in 64 KiB
        test bx, bx
        jnz .done
        push eax
        push edx
        mov ecx, edx
        mov ax, 5                       ; VBE_DISPI_INDEX_BANK
        mov dx, 0x1ce
        out dx, ax
        mov ax, cx
        mov dx, 0x1cf
        out dx, ax
        pop edx
        pop eax
.done:  mov ax, 0x004f
        ret
.start:                                 ; CX, DX: start address in four bytes, low and high word
        push ebx
        push ecx
        push edx
        push esi
        push edi
        movzx esi, dx
        shl esi, 16
        mov si, cx
        shl esi, 2                      ; bytes
        mov dx, 0x1ce
        mov ax, 3                       ; bits a pixel
        out dx, ax
        inc edx
        in ax, dx
        movzx ebx, ax
        add ebx, 7
        shr ebx, 3
        jnz .deep
        inc ebx
.deep:  dec edx
        mov ax, 6                       ; virtual width in pixels
        out dx, ax
        inc edx
        in ax, dx
        movzx ecx, ax
        imul ecx, ebx
        jnz .wide
        inc ecx
.wide:  mov eax, esi
        xor edx, edx
        div ecx                         ; EAX: line, EDX: byte in it
        mov esi, eax
        mov eax, edx
        xor edx, edx
        div ebx
        mov edi, eax
        mov dx, 0x1ce
        mov ax, 8                       ; x offset
        out dx, ax
        inc edx
        mov eax, edi
        out dx, ax
        dec edx
        mov ax, 9                       ; y offset
        out dx, ax
        inc edx
        mov eax, esi
        out dx, ax
        pop edi
        pop esi
        pop edx
        pop ecx
        pop ebx
        mov ax, 0x004f
        ret
.palette:                               ; BL = 0 or 80h, CX entries from DX, ES:EDI: blue, green, red, unused
        push ecx
        push edx
        push edi
        movzx ecx, cx
        mov al, dl
        mov dx, 0x3c8
        out dx, al
        inc edx
.entry: jecxz .set
        mov al, [es:edi + 2]
        out dx, al
        mov al, [es:edi + 1]
        out dx, al
        mov al, [es:edi]
        out dx, al
        add edi, 4
        dec ecx
        jmp .entry
.set:   pop edi
        pop edx
        pop ecx
        mov ax, 0x004f
        ret
vbe32_end:

        bits 16
; ---------------------------------------------------------------- what TypeScript needs to know: engine/firmware/bios/rom.ts

        align 16
table:  db 'RTMDROM1'
        dw stub_00, stub_05, stub_08, stub_09, stub_10, stub_11, stub_12, stub_13
        dw stub_14, stub_15, stub_16, stub_17, stub_18, stub_19, stub_1A, stub_1C
        dw stub_40, stub_70, stub_74, stub_75, end_master, end_slave
        dw directory, vbe32, vbe32_end - vbe32
        dw font16, font14, font8, diskette

; Diskette parameters (IBM AT, INT 1Eh): the form of 1.44 MB.
diskette:
        db 0xaf, 0x02, 0x25, 0x02, 18, 0x1b, 0xff, 0x6c, 0xf6, 0x0f, 0x08

        align 16
font16: incbin "font16.bin"
font14: incbin "font14.bin"
font8:  incbin "font8.bin"

        times 0xe05b - BASE - ($ - $$) db 0xff
        jmp post

        times 0xfa6e - BASE - ($ - $$) db 0xff
font8_low:                              ; where programs find the lower half of 8x8
        incbin "font8.bin", 0, 1024

        times 0xff53 - BASE - ($ - $$) db 0xff
        iret                            ; where programs find a handler that does nothing

        times 0xfff0 - BASE - ($ - $$) db 0xff
        jmp 0xf000:0xe05b
        db '11/28/26'
        db 0xff
        db 0xfc                         ; model: AT
        db 0x00
