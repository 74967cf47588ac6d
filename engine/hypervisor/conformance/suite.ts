/**
 * What every back end must do, as tests over the interface alone: exits, the bus, slots and dirty log, interrupts, register groups,
 * save and restore. A back end that does not offer something says so in its capabilities, and the test is skipped by name.
 */
import { describe, expect, test } from 'vitest';
import { REQUEST } from '../../base/index.ts';
import { type Backend, bench, finish } from './bench.ts';
import { stateConformance } from './state-suite.ts';

/** The first vCPU sends INIT to the second one. */
const INIT_TO_SECOND = `mov edi, 0xfee00000
  mov dword [edi + 0x310], 0x1000000
  mov dword [edi + 0x300], 0x4500
  hlt`;

export function hypervisorConformance(backend: Backend): void {
  const capabilities = backend.capabilities();
  const { groups } = capabilities;
  const whereExact = capabilities.exactPositions ? test : test.skip;
  const whereDirty = capabilities.dirtyLog ? test : test.skip;
  const whereReadonly = capabilities.readonlySlots ? test : test.skip;
  const whereEvents = capabilities.ioEvents ? test : test.skip;
  const whereTurns = capabilities.roundRobin ? test : test.skip;

  describe(`${capabilities.backend}: running`, () => {
    test('says what it offers', () => {
      expect(capabilities.available ? capabilities.reason : capabilities.reason?.length).not.toBe(0);
      expect(capabilities.maxVcpus).toBeGreaterThanOrEqual(2);
      expect(groups).toEqual(expect.arrayContaining(['regs', 'sregs', 'mp_state']));
    });

    whereExact('stops after exactly as many instructions as allowed', () => {
      const { vcpu, real, regs } = bench(backend);
      real(`top: inc ax\n inc bx\n jmp top`);
      const position = (limit: number) => [vcpu.run(limit), regs().rax, regs().rbx];
      expect(position(1)).toEqual([{ reason: 'limit', retired: 1 }, 1n, 0n]);
      expect(position(1)).toEqual([{ reason: 'limit', retired: 1 }, 1n, 1n]);
      expect(position(3001)).toEqual([{ reason: 'limit', retired: 3001 }, 1001n, 1001n]);
      expect(vcpu.retired).toBe(3003n);
    });

    test('ports are served inside run, in each size', () => {
      const { machine, vcpu, real, regs } = bench(backend);
      const seen: string[] = [];
      machine.memory.bus.addPorts({
        port: 0x300,
        count: 8,
        read: (at, size, id) => {
          seen.push(`r${size}@${at} v${id}`);
          return 0x11223344;
        },
        write: (at, size, value) => {
          seen.push(`w${size}@${at}=${value.toString(16)}`);
        },
      });
      real(
        'mov dx, 0x300\n mov eax, 0xa1b2c3d4\n out dx, al\n out dx, ax\n out dx, eax\n in eax, dx\n mov ebx, eax\n mov dx, 0x304\n in al, dx\n hlt',
      );
      expect(vcpu.run(100).reason).toBe('halt');
      expect(seen).toEqual(['w1@0=d4', 'w2@0=c3d4', 'w4@0=a1b2c3d4', 'r4@0 v0', 'r1@4 v0']);
      expect([regs().rbx, regs().rax]).toEqual([0x11223344n, 0x11223344n]);
    });

    test('memory without RAM is served by the bus; a hole reads as ones', () => {
      const { machine, vcpu, flat, regs } = bench(backend);
      const seen: string[] = [];
      machine.memory.bus.addMmio({
        gpa: 0xe000_0000,
        size: 4096,
        read: (at, size) => {
          seen.push(`r${size}@${at}`);
          return 0x55aa;
        },
        write: (at, size, value) => {
          seen.push(`w${size}@${at}=${value.toString(16)}`);
        },
      });
      flat(`mov dword [0xe0000010], 0x12345678
        mov eax, [0xe0000020]
        add word [0xe0000030], 1
        mov ebx, [0xd0000000]
        mov dword [0xd0000000], 7
        hlt`);
      expect(vcpu.run(100).reason).toBe('halt');
      expect(seen).toEqual(['w4@16=12345678', 'r4@32', 'r2@48', 'w2@48=55ab']);
      expect([regs().rax, regs().rbx]).toEqual([0x55aan, 0xffffffffn]);
    });

    test('writes that a device lets wait come in their order, before anybody looks at the device', () => {
      const b = bench(backend);
      const { machine, vcpu, flat, regs } = b;
      const seen: string[] = [];
      const { bus, lock } = machine.memory;
      const write = (at: number, size: number, value: number) => void seen.push(`w${size}@${at}=${value.toString(16)}`);
      bus.addMmio({ gpa: 0xe000_0000, size: 8192, read: () => seen.length, write, coalesced: true });
      bus.addPorts({ port: 0x300, count: 1, read: () => 0, write: (_at, _size, value) => void seen.push(`out ${value}`) });
      const start = 'mov ebx, 0xe0000010\n mov al, [ebx]\n';
      flat(`${start} mov dword [ebx], 0x12345678\n mov word [ebx + 4], 0x55aa\n mov byte [ebx + 6], 0x77\n hlt`);
      expect(vcpu.run(100).reason).toBe('halt');
      expect(seen).toEqual([]);
      lock.run(() => expect(seen).toEqual(['w4@16=12345678', 'w2@20=55aa', 'w1@22=77']));
      // A port and a read of the same device are looks at it.
      seen.length = 0;
      flat(`${start} mov byte [ebx], 1\n mov al, 9\n mov dx, 0x300\n out dx, al\n mov byte [ebx + 1], 2\n mov al, [ebx]\n hlt`);
      expect(vcpu.run(100).reason).toBe('halt');
      expect(seen).toEqual(['w1@16=1', 'out 9', 'w1@17=2']);
      expect(regs().rax & 0xffn).toBe(3n);
      // Ports of which all is written wait too; a part of them does not.
      seen.length = 0;
      const select = (at: number, size: number, value: number) => void seen.push(`s${size}@${at}=${value.toString(16)}`);
      bus.addPorts({ port: 0x310, count: 4, read: () => seen.length, write: select, coalesced: true });
      flat('mov ebx, 0xe0000010\n mov dx, 0x310\n mov eax, 0x11223344\n out dx, eax\n mov byte [ebx], 3\n hlt');
      expect(vcpu.run(100).reason).toBe('halt');
      expect(seen).toEqual([]);
      lock.run(() => expect(seen).toEqual(['s4@0=11223344', 'w1@16=3']));
      seen.length = 0;
      flat('mov dx, 0x310\n out dx, eax\n mov dx, 0x311\n out dx, al\n mov dx, 0x310\n in eax, dx\n hlt');
      expect(vcpu.run(100).reason).toBe('halt');
      expect(seen.map((line) => line.slice(0, 4))).toEqual(['s4@0', 's1@1']);
      expect(regs().rax).toBe(2n);
      // More than can wait, across two pages, some of them read-modify-write.
      seen.length = 0;
      const many = 20_000;
      flat(
        `mov ebx, 0xe0000ffe\n mov al, [ebx]\n mov ecx, ${many}\n top:\n mov [ebx], ecx\n dec ecx\n jnz top\n inc byte [ebx]\n hlt`,
      );
      finish(vcpu, 100 * many);
      lock.run(() => undefined);
      const low = seen.filter((line) => line.startsWith('w1@4094') || line.startsWith('w2@4094'));
      expect(low.length).toBe(many + 1);
      expect(low[0]).toMatch(/=4?e20$|=20$/);
      expect(seen.length).toBeGreaterThan(many);
    });

    test.each([
      ['invd', 0],
      ['wbinvd', 0],
      ['mov ecx, 0x1234\n rdpmc', 13],
      ['mov ecx, 0x12345\n rdmsr', 13],
      ['mov ecx, 0x12345\n wrmsr', 13],
      ['mov eax, cr4\n or eax, 0x40000\n mov cr4, eax\n xor ecx, ecx\n xor edx, edx\n xor eax, eax\n xsetbv', 13],
      ['mov eax, cr4\n or eax, 0x80000000\n mov cr4, eax', 13],
      ['vmlaunch', 6],
      ['vmresume', 6],
      ['vmxoff', 6],
      ['vmxon [0x9000]', 6],
      ['vmclear [0x9000]', 6],
      ['vmptrld [0x9000]', 6],
      ['vmptrst [0x9000]', 6],
      ['vmread eax, ebx', 6],
      ['vmwrite eax, ebx', 6],
      ['invept eax, [0x9000]', 6],
      ['invvpid eax, [0x9000]', 6],
    ])('the kernel’s %s raises %i, or nothing', (text, vector) => {
      const b = bench(backend);
      const { dma } = b.machine.memory;
      const [gdt, idt] = [0xa000, 0xb000];
      for (const [i, word] of [0, 0, 0x0000ffff, 0x00cf9b00, 0x0000ffff, 0x00cf9300].entries()) dma.write32(gdt + 4 * i, word);
      for (const number of [6, 13]) {
        b.code(0xc000 + number * 16, 32, `mov edi, ${number}\n hlt`);
        dma.write32(idt + number * 8, 0x8_0000 | (0xc000 + number * 16));
        dma.write32(idt + number * 8 + 4, 0x8e00);
      }
      b.flat(`${text}\n mov esi, 1\n hlt`);
      const tables = { gdt: { base: BigInt(gdt), limit: 23 }, idt: { base: BigInt(idt), limit: 0xff } };
      b.vcpu.set('sregs', { ...b.vcpu.get('sregs'), ...tables });
      expect(b.vcpu.run(100).reason).toBe('halt');
      expect([b.regs().rdi, b.regs().rsi]).toEqual([BigInt(vector), vector === 0 ? 1n : 0n]);
    });

    test('a stop raised before or while it runs ends the run', () => {
      const { machine, vcpu, real } = bench(backend);
      machine.memory.bus.addPorts({
        port: 0x300,
        count: 1,
        read: () => 0,
        write: () => machine.requests.raiseOne(0, REQUEST.stop),
      });
      real('mov dx, 0x300\n out dx, al\n top: jmp top');
      expect(vcpu.run(1_000_000).reason).toBe('request');
      expect(vcpu.run(10)).toEqual({ reason: 'request', retired: 0 });
      machine.requests.served(0, REQUEST.stop);
      expect(vcpu.run(10).reason).toBe('limit');
    });

    test('a triple fault shuts the processor down, and reset starts it again', () => {
      const { machine, vcpu, real, vcpuAt } = bench(backend);
      real('ud2');
      vcpu.set('sregs', { ...vcpu.get('sregs'), idt: { base: 0n, limit: 0 } });
      expect(vcpu.run(100).reason).toBe('shutdown');
      expect(vcpu.run(100).reason).toBe('shutdown');
      machine.reset();
      expect([vcpu.get('regs').rip, vcpu.get('sregs').cs.base, vcpu.get('mp_state').mp_state]).toEqual([0xfff0n, 0xffff0000n, 0]);
      expect(vcpuAt(1).get('mp_state').mp_state).not.toBe(0);
    });
  });

  describe(`${capabilities.backend}: memory`, () => {
    whereDirty(
      'pages written are found by their place in the machine’s memory too, as screens look, and outlive a change of the map',
      () => {
        const { machine, vcpu, flat } = bench(backend);
        const { memory } = machine;
        const hva = memory.arena.take('pages', 4 * 4096, 4096);
        machine.setSlot({ slot: 5, gpa: 0xd000_0000, size: 4 * 4096, hva, log: true });
        const written = () => memory.lock.run(() => [...memory.dirtyLog.collectPages(hva, 4 * 4096)]);
        written();
        flat('mov byte [0xd0001000], 1\n hlt');
        finish(vcpu);
        expect(written()).toEqual([0, 1, 0, 0]);
        expect(written()).toEqual([0, 0, 0, 0]);
        flat('mov byte [0xd0001001], 1\n mov byte [0xd0003000], 1\n hlt');
        finish(vcpu);
        machine.setSlot({ slot: 6, gpa: 0xd100_0000, size: 4096, hva });
        expect(written()).toEqual([0, 1, 0, 1]);
      },
    );

    whereReadonly('writes to a read-only slot go to the bus and change nothing', () => {
      const { machine, vcpu, flat, regs } = bench(backend);
      const { memory } = machine;
      const rom = memory.arena.take('rom', 4096, 4096);
      memory.u8.fill(0x5a, rom, rom + 4096);
      machine.setSlot({ slot: 1, gpa: 0xfff0_0000, size: 4096, hva: rom, readonly: true });
      const writes: number[] = [];
      memory.bus.addMmio({ gpa: 0xfff0_0000, size: 4096, read: () => 0, write: (_at, _size, value) => writes.push(value) });
      flat('mov al, [0xfff00000]\n mov byte [0xfff00000], 0x77\n mov ah, [0xfff00000]\n hlt');
      finish(vcpu);
      expect([regs().rax & 0xffffn, writes]).toEqual([0x5a5an, [0x77]]);
    });

    test('a slot that comes, moves and goes is seen by the next instruction that looks', () => {
      const { machine, vcpu, flat, regs } = bench(backend);
      const { memory } = machine;
      const page = memory.arena.take('page', 4096, 4096);
      memory.u32[page >>> 2] = 0xabcd;
      memory.bus.addPorts({
        port: 0x300,
        count: 2,
        read: () => 0,
        write: (at) => machine.setSlot({ slot: 5, gpa: 0xd000_0000, size: at === 0 ? 4096 : 0, hva: page }),
      });
      flat(`mov ebx, [0xd0000000]
        mov dx, 0x300
        out dx, al
        mov ecx, [0xd0000000]
        inc dx
        out dx, al
        mov esi, [0xd0000000]
        hlt`);
      finish(vcpu);
      expect([regs().rbx, regs().rcx, regs().rsi]).toEqual([0xffffffffn, 0xabcdn, 0xffffffffn]);
    });

    test('address bit 20 is held low while A20 is off', () => {
      const { machine, vcpu, flat, regs } = bench(backend);
      machine.memory.slots.setA20(false);
      machine.memory.dma.write32(0x9000, 0x1111);
      flat('mov eax, [0x109000]\n mov dword [0x10a000], 0x2222\n hlt');
      finish(vcpu);
      expect([regs().rax, machine.memory.dma.read32(0xa000)]).toEqual([0x1111n, 0x2222]);
    });

    test('code that a device overwrites runs as overwritten', () => {
      const { machine, vcpu, flat, regs } = bench(backend);
      const { dma, bus } = machine.memory;
      bus.addPorts({
        port: 0x300,
        count: 1,
        read: () => 0,
        write: () => dma.write(0x3000, Uint8Array.of(0xb8, 9, 0, 0, 0, 0xc3)),
      });
      dma.write(0x3000, Uint8Array.of(0xb8, 5, 0, 0, 0, 0xc3)); // mov eax, 5; ret
      flat('mov ebp, 0x3000\n call ebp\n mov ebx, eax\n mov dx, 0x300\n out dx, al\n call ebp\n hlt');
      finish(vcpu);
      expect([regs().rbx, regs().rax]).toEqual([5n, 9n]);
    });

    whereDirty('the dirty log names every page written since it was taken, by guest and devices', () => {
      const { machine, vcpu, flat } = bench(backend);
      const { memory } = machine;
      const slot = { slot: 0, gpa: 0, size: memory.map.ramBytes, hva: memory.map.ramBase, log: true };
      machine.setSlot(slot);
      flat('top: mov dword [0x20000], 1\n mov byte [0x21fff], 1\n mov dword [0x23ffe], 1\n mov eax, [0x26000]\n hlt\n jmp top');
      finish(vcpu);
      memory.dma.write(0x2_8000, Uint8Array.of(1));
      const named = () => {
        const bits = machine.dirtyLog(0);
        return Array.from({ length: 16 }, (_, i) => 0x20 + i).filter((page) => ((bits[page >>> 3] as number) >>> (page & 7)) & 1);
      };
      expect(named()).toEqual([0x20, 0x21, 0x23, 0x24, 0x28]);
      expect(named()).toEqual([]);
      vcpu.set('mp_state', { mp_state: 0 });
      finish(vcpu);
      expect(named()).toEqual([0x20, 0x21, 0x23, 0x24]);
    });
  });

  describe(`${capabilities.backend}: interrupts`, () => {
    /** Real mode with a handler for vector 40h that counts in BX and ends the interrupt. */
    const handler = (b: ReturnType<typeof bench>) =>
      b.isr(0x40, 'inc bx\n push eax\n mov eax, 0xb0\n mov dword [eax + 0xfee00000], 0\n pop eax\n iret');

    test('HLT waits for an interrupt, which runs its handler once', () => {
      const b = bench(backend);
      const { machine, vcpu, regs } = b;
      b.apicOn(0);
      handler(b);
      b.real('sti\n top: hlt\n inc cx\n jmp top');
      expect(vcpu.run(100).reason).toBe('halt');
      expect([vcpu.wait(0), vcpu.run(100).reason]).toEqual([false, 'halt']);
      machine.irqchip.sendMsi(0xfee0_0000n, 0x40);
      expect(vcpu.wait(0)).toBe(true);
      expect(vcpu.run(100).reason).toBe('halt');
      expect([regs().rbx, regs().rcx]).toEqual([1n, 1n]);
    });

    test('an interrupt waits for IF and for the instruction after STI', () => {
      const b = bench(backend);
      b.apicOn(0);
      handler(b);
      b.real('nop\n nop\n sti\n mov si, bx\n mov di, bx\n cli\n hlt');
      b.machine.irqchip.sendMsi(0xfee0_0000n, 0x40);
      expect(b.vcpu.run(100).reason).toBe('halt');
      expect([b.regs().rsi, b.regs().rdi]).toEqual([0n, 1n]);
      expect(b.vcpu.wait(0)).toBe(false); // halted for good: nothing it would take
    });

    test('the 8259 reaches vCPU 0 by virtual wire', () => {
      const b = bench(backend);
      b.isr(0x33, 'inc bx\n mov al, 0x20\n out 0x20, al\n iret');
      b.real(`mov al, 0x11
        out 0x20, al
        mov al, 0x30
        out 0x21, al
        mov al, 4
        out 0x21, al
        mov al, 1
        out 0x21, al
        mov al, 0xf7
        out 0x21, al
        sti
        top: hlt
        jmp top`);
      finish(b.vcpu);
      for (let i = 0; i < 3; i++) {
        b.machine.irqchip.pulse(3);
        finish(b.vcpu);
      }
      expect(b.regs().rbx).toBe(3n);
    });

    test('the local timer fires in machine time', () => {
      const b = bench(backend);
      b.apicOn(0);
      handler(b);
      b.real(`mov edi, 0xfee00000
        mov dword [edi + 0x320], 0x40
        mov dword [edi + 0x3e0], 0xb
        mov dword [edi + 0x380], 1000000
        sti
        top: hlt
        jmp top`);
      finish(b.vcpu);
      b.advance(999_000);
      expect(b.vcpu.wait(0)).toBe(false);
      b.advance(2000);
      expect([b.vcpu.wait(0), b.vcpu.run(100).reason, b.regs().rbx]).toEqual([true, 'halt', 1n]);
    });

    test.each([
      ['IA32_TIME_STAMP_COUNTER', 0x10],
      ['IA32_TSC_ADJUST', 0x3b],
    ])('a TSC deadline is pulled forward by a write to %s', (_name, msr) => {
      const b = bench(backend);
      b.apicOn(0);
      handler(b);
      b.real(`mov edi, 0xfee00000
        mov dword [edi + 0x320], 0x40040
        mov ecx, 0x6e0
        xor edx, edx
        mov eax, 1000000000
        wrmsr
        mov ecx, ${msr}
        mov eax, 999000000
        wrmsr
        sti
        top: hlt
        jmp top`);
      finish(b.vcpu);
      b.advance(900_000);
      expect(b.vcpu.wait(0)).toBe(false);
      b.advance(101_000);
      finish(b.vcpu);
      expect(b.regs().rbx).toBe(1n);
    });

    test('CR8 holds interrupts back', () => {
      const b = bench(backend);
      b.apicOn(0);
      handler(b);
      b.real('sti\n top: hlt\n jmp top');
      b.vcpu.set('sregs', { ...b.vcpu.get('sregs'), cr8: 4n });
      expect(b.vcpu.get('sregs').cr8).toBe(4n);
      b.machine.irqchip.sendMsi(0xfee0_0000n, 0x40);
      finish(b.vcpu);
      expect(b.regs().rbx).toBe(0n);
      b.vcpu.set('sregs', { ...b.vcpu.get('sregs'), cr8: 3n });
      finish(b.vcpu);
      expect(b.regs().rbx).toBe(1n);
    });

    test('INIT and start-up IPI bring a processor up where they say; an NMI reaches it', () => {
      const b = bench(backend);
      b.apicOn(0);
      b.code(0x7000, 16, 'inc word [0x500]\n top: hlt\n jmp top');
      b.isr(2, 'inc word [0x502]\n iret');
      b.real(INIT_TO_SECOND);
      const second = b.vcpuAt(1);
      expect(second.run(100).reason).toBe('wait-for-sipi');
      finish(b.vcpu);
      expect(second.wait(0)).toBe(true);
      second.run(100);
      expect([second.run(100).reason, second.wait(0)]).toEqual(['wait-for-sipi', false]);
      b.real('mov edi, 0xfee00000\n mov dword [edi + 0x300], 0x4607\n hlt');
      finish(b.vcpu);
      second.run(100);
      expect(second.run(100).reason).toBe('halt');
      expect(b.machine.memory.dma.read32(0x500) & 0xffff).toBe(1);
      b.real('mov edi, 0xfee00000\n mov dword [edi + 0x300], 0x4400\n hlt');
      finish(b.vcpu);
      expect(second.wait(0)).toBe(true);
      finish(second);
      expect(b.machine.memory.dma.read32(0x500) >>> 16).toBe(1);
    });

    test('INIT clears the local APIC under the machine lock: a start-up IPI that comes meanwhile keeps its vector', () => {
      const b = bench(backend);
      b.apicOn(0);
      const lapic = b.machine.irqchip.lapics.of(1);
      const held: boolean[] = [];
      const init = lapic.init.bind(lapic);
      lapic.init = () => {
        held.push(b.machine.memory.lock.held);
        init();
      };
      b.real(INIT_TO_SECOND);
      const second = b.vcpuAt(1);
      expect(second.run(100).reason).toBe('wait-for-sipi');
      finish(b.vcpu);
      second.run(100);
      expect([second.run(100).reason, held]).toEqual(['wait-for-sipi', [true]]);
      lapic.deliver(6, 7, false);
      second.run(1);
      expect(second.get('sregs').cs.selector).toBe(0x700);
    });

    test('two NMIs that arrive together are two, a third is lost', () => {
      const b = bench(backend);
      b.isr(2, 'inc bx\n iret');
      b.real('mov cx, 100\n top: loop top\n hlt');
      for (let i = 0; i < 3; i++) b.machine.irqchip.lapics.of(0).deliver(4, 0, false);
      finish(b.vcpu);
      expect(b.regs().rbx).toBe(2n);
    });

    test('the single-step trap of HLT wakes it', () => {
      const b = bench(backend);
      b.isr(1, 'inc byte [0x700]\n iret');
      b.real('pushf\n pop ax\n or ah, 1\n push ax\n popf\n hlt\n and ah, 0xfe\n push ax\n popf\n mov bx, 5\n hlt');
      expect(b.vcpu.run(100).reason).toBe('halt');
      expect([b.regs().rbx, b.machine.memory.dma.read(0x700, 1)[0]]).toEqual([5n, 4]);
    });

    test('a second NMI that another thread tells of when the first was just taken is taken too', () => {
      const b = bench(backend);
      b.isr(2, 'inc bx\n iret');
      b.real('mov cx, 100\n top: loop top\n hlt');
      const { requests, irqchip } = b.machine;
      irqchip.lapics.of(0).deliver(4, 0, false);
      while (b.regs().rbx === 0n) b.vcpu.run(1);
      irqchip.lapics.of(0).state.nmiQueued = 1;
      requests.raiseOne(0, REQUEST.sync);
      finish(b.vcpu);
      expect(b.regs().rbx).toBe(2n);
    });

    whereEvents('a guest write rings an event, an event raises an interrupt', () => {
      const b = bench(backend);
      const { ioEvents, irqchip } = b.machine;
      const any = ioEvents.add({ name: 'any', space: 'port', address: 0x310, size: 2 });
      const seven = ioEvents.add({ name: 'seven', space: 'mmio', address: 0xe000_0000, size: 4, match: 7 });
      b.flat(
        'mov dx, 0x310\n out dx, ax\n out dx, ax\n out dx, al\n mov dword [0xe0000000], 6\n mov dword [0xe0000000], 7\n hlt',
      );
      finish(b.vcpu);
      expect([any.wait(0), any.take(), any.take(), seven.take(), any.wait(0)]).toEqual([true, 2, 0, 1, false]);
      b.apicOn(0);
      irqchip.routes.set([{ gsi: 40, msi: { address: 0xfee0_0000n, data: 0x41 } }]);
      ioEvents.raise(40);
      expect(irqchip.lapics.of(0).requested).toBe(0x41);
    });
  });

  stateConformance(backend);

  describe(`${capabilities.backend}: several vCPUs`, () => {
    whereTurns('two vCPUs in turn on one thread share a lock and lose nothing', () => {
      const b = bench(backend);
      const program = `mov cx, 1000
        top: mov al, 1
        spin: xchg [0x500], al
        test al, al
        jz taken
        pause
        jmp spin
        taken: inc word [0x502]
        mov byte [0x500], 0
        loop top
        hlt`;
      b.real(program);
      b.real(program, 1);
      const second = b.vcpuAt(1);
      const ended = [false, false];
      for (let turn = 0; turn < 10_000 && ended.includes(false); turn++) {
        for (const [i, vcpu] of [b.vcpu, second].entries()) ended[i] ||= vcpu.run(37 + i).reason === 'halt';
      }
      expect([ended, b.machine.memory.dma.read32(0x500) >>> 16]).toEqual([[true, true], 2000]);
    });
  });
}
