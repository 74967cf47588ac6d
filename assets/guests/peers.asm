; A boot disk that compares emulators: 32-bit programs without an operating system, each between two lines on COM1 that whoever measures
; takes the time of. `@S NAME`, `@E NAME HASH` (what the program calculated: the same on every processor), at last `@DONE`.
        bits 16
        org 0x7c00
SECTORS equ 4
COM1    equ 0x3f8
BUFFER  equ 0x200000                    ; 1 MiB of pseudo-random words
TARGET  equ 0x400000
CHAIN   equ 0x1000000                   ; 16 MiB of pointers
MEGA    equ 0x100000

        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        mov ax, 0x0200 + SECTORS
        mov cx, 2
        mov dh, 0
        mov bx, 0x7e00
        int 0x13
        jc $
        in al, 0x92
        or al, 2
        and al, 0xfe
        out 0x92, al
        cli
        lgdt [gdt_at]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp 0x08:main

        align 8
gdt:    dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdt_at: dw 23
        dd gdt
idt_at: dw 8 * 0x81 - 1
        dd idt
        times 510 - ($ - $$) db 0
        dw 0xaa55

        bits 32
main:   mov ax, 0x10
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov esp, 0x1f0000
        cld
        mov dx, COM1 + 3                ; eight bits: after a reset it is five, and Bochs sends no more
        mov al, 3
        out dx, al
        mov eax, cr0
        and al, 0xf3                    ; neither EM nor TS
        or al, 2
        mov cr0, eax
        mov eax, cr4
        or ax, 0x600                    ; OSFXSR, OSXMMEXCPT
        mov cr4, eax
        mov edi, idt                    ; one gate, for INT 80h
        xor eax, eax
        mov ecx, 2 * 0x80
        rep stosd
        mov eax, 0x00080000 + service - $$ + 0x7c00
        stosd
        mov eax, 0x8e00
        stosd
        lidt [idt_at]
        mov edi, BUFFER
        mov ecx, MEGA / 4
        mov eax, 12345
.fill:  imul eax, eax, 1664525
        add eax, 1013904223
        stosd
        loop .fill

        mov esi, programs
.next:  lodsd
        test eax, eax
        jz .end
        mov ebp, eax
        push esi
        mov esi, started
        call print
        mov esi, [esp]
        call print_line
        call ebp
        mov esi, ended
        call print
        mov esi, [esp]
        call print
        mov bl, ' '
        call byte_out
        mov edx, eax
        mov ecx, 8
.hex:   rol edx, 4
        mov bl, dl
        and bl, 15
        cmp bl, 10
        jb .digit
        add bl, 'a' - 10 - '0'
.digit: add bl, '0'
        call byte_out
        loop .hex
        call new_line
        pop esi
.skip:  lodsb
        test al, al
        jnz .skip
        jmp .next
.end:   mov esi, done
        call print_line
.rest:  hlt
        jmp .rest

; ESI: text that ends with 0. EAX is kept.
print_line:
        call print
new_line:
        mov bl, 10
        jmp byte_out
print:  mov bl, [esi]
        inc esi
        test bl, bl
        jz .out
        call byte_out
        jmp print
.out:   ret
; BL to COM1.
byte_out:
        push eax
        push edx
        mov dx, COM1 + 5
.wait:  in al, dx
        test al, 0x20
        jz .wait
        mov dx, COM1
        mov al, bl
        out dx, al
        pop edx
        pop eax
        ret

started: db '@S ', 0
ended:  db '@E ', 0
done:   db '@DONE', 0

        %macro program 2
        dd %1
        db %2, 0
        %endmacro
programs:
        program alu, 'int_alu'
        program crc, 'int_crc32'
        program sort, 'branch_sort'
        program fib_many, 'call_fib'
        program indirect, 'call_table'
        program chase, 'mem_chase16M'
        program copy, 'mem_copy'
        program scan, 'mem_sum'
        program mandel, 'fp_mandel'
        program x87, 'x87_series'
        program packed, 'simd_int'
        program patched, 'code_patched'
        program ints, 'sys_int80'
        dd 0

; xorshift and multiplication in registers.
alu:    mov eax, 2463534242
        xor edx, edx
        mov ecx, 60000000
.next:  mov ebx, eax
        shl ebx, 13
        xor eax, ebx
        mov ebx, eax
        shr ebx, 17
        xor eax, ebx
        mov ebx, eax
        shl ebx, 5
        xor eax, ebx
        lea edx, [edx + eax * 2 + 1]
        rol edx, 7
        dec ecx
        jnz .next
        xor eax, edx
        ret

; CRC-32 by table over the buffer.
crc:    mov edi, TARGET
        xor ecx, ecx
.table: mov eax, ecx
        mov edx, 8
.bit:   shr eax, 1
        jnc .even
        xor eax, 0xedb88320
.even:  dec edx
        jnz .bit
        stosd
        inc ecx
        cmp ecx, 256
        jb .table
        mov eax, -1
        mov edi, 24
.pass:  mov esi, BUFFER
        mov ecx, MEGA
.next:  movzx edx, byte [esi]
        inc esi
        xor dl, al
        shr eax, 8
        xor eax, [TARGET + edx * 4]
        dec ecx
        jnz .next
        dec edi
        jnz .pass
        ret

; Shell sort of 64 Ki words, several times.
sort:   mov ebp, 12
.again: mov esi, BUFFER
        mov edi, TARGET
        mov ecx, 0x10000
        rep movsd
        mov ebx, 29524
.gap:   mov ecx, ebx
.outer: mov eax, [TARGET + ecx * 4]
        mov edx, ecx
.inner: mov edi, edx
        sub edi, ebx
        jb .place
        mov esi, [TARGET + edi * 4]
        cmp esi, eax
        jbe .place
        mov [TARGET + edx * 4], esi
        mov edx, edi
        jmp .inner
.place: mov [TARGET + edx * 4], eax
        inc ecx
        cmp ecx, 0x10000
        jb .outer
        mov eax, ebx
        xor edx, edx
        mov ecx, 3
        div ecx
        mov ebx, eax
        test ebx, ebx
        jnz .gap
        dec ebp
        jnz .again
        mov eax, [TARGET + 4 * 0x4321]
        xor eax, [TARGET + 4 * 0xffff]
        ret

fib_many:
        mov ebp, 8
.again: mov eax, 29
        call fib
        dec ebp
        jnz .again
        ret
fib:    cmp eax, 2
        jb .small
        push eax
        dec eax
        call fib
        xchg eax, [esp]
        sub eax, 2
        call fib
        pop edx
        add eax, edx
.small: ret

; Calls through a table, in an order no one can foresee.
indirect:
        mov esi, 8
        xor eax, eax
.pass:  mov ecx, MEGA / 4
.next:  mov ebx, [BUFFER + ecx * 4 - 4]
        shr ebx, 29
        call [.table + ebx * 4]
        dec ecx
        jnz .next
        dec esi
        jnz .pass
        ret
        align 4
.table: dd .f0, .f1, .f2, .f3, .f4, .f5, .f6, .f7
.f0:    add eax, ecx
        ret
.f1:    xor eax, 0x55aa55aa
        ret
.f2:    rol eax, 3
        ret
.f3:    sub eax, 77
        ret
.f4:    lea eax, [eax + eax * 4]
        ret
.f5:    not eax
        ret
.f6:    add eax, ebx
        ret
.f7:    bswap eax
        ret

; Dependent loads all over 16 MiB, each of another cache line: a full cycle of a generator modulo a power of two.
chase:  mov ecx, 0x40000
        xor eax, eax
.make:  imul edx, eax, 1664525
        add edx, 1013904223
        and edx, 0x3ffff
        mov edi, eax
        shl edi, 6
        mov ebx, edx
        shl ebx, 6
        add ebx, CHAIN
        mov [CHAIN + edi], ebx
        mov eax, edx
        loop .make
        mov esi, CHAIN
        mov ecx, 2000000
.next:  mov esi, [esi]
        dec ecx
        jnz .next
        mov eax, esi
        ret

copy:   mov edx, 100
.next:  mov esi, BUFFER
        mov edi, TARGET
        mov ecx, MEGA / 4
        rep movsd
        dec edx
        jnz .next
        mov eax, [TARGET + 0xabcd0]
        ret

scan:   mov edx, 100
        xor eax, eax
.pass:  mov esi, BUFFER
        mov ecx, MEGA / 16
.next:  add eax, [esi]
        adc eax, [esi + 4]
        add eax, [esi + 8]
        xor eax, [esi + 12]
        add esi, 16
        dec ecx
        jnz .next
        dec edx
        jnz .pass
        ret

; The Mandelbrot set in scalar doubles, 256 by 256 points.
mandel: xor eax, eax
        xor edx, edx
        movsd xmm7, [.step]
        movsd xmm6, [.four]
.row:   cvtsi2sd xmm1, edx
        mulsd xmm1, xmm7
        subsd xmm1, [.top]
        xor ecx, ecx
.point: cvtsi2sd xmm0, ecx
        mulsd xmm0, xmm7
        subsd xmm0, [.left]
        movapd xmm2, xmm0
        movapd xmm3, xmm1
        mov ebx, 200
.next:  movapd xmm4, xmm2
        mulsd xmm4, xmm2
        movapd xmm5, xmm3
        mulsd xmm5, xmm3
        mulsd xmm3, xmm2
        addsd xmm3, xmm3
        addsd xmm3, xmm1
        movapd xmm2, xmm4
        subsd xmm2, xmm5
        addsd xmm2, xmm0
        addsd xmm4, xmm5
        ucomisd xmm4, xmm6
        ja .out
        inc eax
        dec ebx
        jnz .next
.out:   inc ecx
        cmp ecx, 256
        jb .point
        inc edx
        cmp edx, 256
        jb .row
        ret
        align 8
.step:  dq 0.01171875
.top:   dq 1.5
.left:  dq 2.0
.four:  dq 4.0

; The sum of 1 / (k * k + 1), with 80 bits.
x87:    fninit
        fldz
        mov ecx, 1500000
.next:  mov [TARGET], ecx
        fild dword [TARGET]
        fmul st0
        fld1
        fadd st1, st0
        fdivrp st1, st0
        faddp st1, st0
        dec ecx
        jnz .next
        fstp qword [TARGET]
        mov eax, [TARGET]
        xor eax, [TARGET + 4]
        ret

; 32-bit words, four at a time.
packed: mov edx, 60
        pxor xmm0, xmm0
        pxor xmm1, xmm1
.pass:  mov esi, BUFFER
        mov ecx, MEGA / 32
.next:  movdqa xmm2, [esi]
        movdqa xmm3, [esi + 16]
        paddd xmm0, xmm2
        pxor xmm1, xmm3
        pmuludq xmm2, xmm3
        paddq xmm0, xmm2
        pslld xmm3, 5
        psubd xmm1, xmm3
        pshufd xmm0, xmm0, 0x39
        add esi, 32
        dec ecx
        jnz .next
        dec edx
        jnz .pass
        pxor xmm0, xmm1
        movd eax, xmm0
        ret

; A function whose constant is rewritten before every hundredth call.
patched:
        mov edi, TARGET
        mov esi, .template
        mov ecx, .template_end - .template
        rep movsb
        xor eax, eax
        mov ebp, 20000
.write: mov [TARGET + 1], ebp
        mov ecx, 100
        mov edx, TARGET
.next:  call edx
        dec ecx
        jnz .next
        dec ebp
        jnz .write
        ret
.template:
        add eax, 0x11223344
        rol eax, 1
        xor eax, ecx
        ret
.template_end:

; Software interrupts.
ints:   xor eax, eax
        mov ecx, 500000
.next:  int 0x80
        dec ecx
        jnz .next
        ret
service:
        add eax, ecx
        iret

        times 512 * (SECTORS + 1) - ($ - $$) db 0
idt     equ 0x1800
