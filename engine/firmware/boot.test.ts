import { describe, expect, it } from 'vitest';
import { EngineError } from '../base/errors.ts';
import { type BootFiles, bootDirectly, detectProtocol } from './boot.ts';
import { memoryMap } from './e820.ts';
import { leaveTables } from './leave-tables.ts';
import { i440fxPlatform } from './platform.ts';

const MIB = 2 ** 20;

function machine(ramBytes: number) {
  const ram = Buffer.alloc(ramBytes);
  const platform = i440fxPlatform({ cpus: 2, ramBytes });
  const memory = {
    write(gpa: number, bytes: Uint8Array) {
      if (gpa < 0 || gpa + bytes.length > ramBytes) throw new Error(`write outside RAM at ${gpa}`);
      ram.set(bytes, gpa);
    },
  };
  return { ram, platform, memory, boot: (files: BootFiles) => bootDirectly(files, { platform, memory }) };
}

const refusal = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof EngineError) return error.message;
    throw error;
  }
  return 'not refused';
};

/** A bzImage of our own making: setup of two sectors, then `size` bytes of kernel. */
function bzImage(
  over: { version?: number; xload?: number; initSize?: number; initrdMax?: number; size?: number; preferred?: number } = {},
) {
  const file = Buffer.alloc(3 * 512 + (over.size ?? 4096), 0x90);
  file.fill(0, 0, 3 * 512);
  file[0x1f1] = 2;
  file.writeUInt16LE(0xaa55, 0x1fe);
  file[0x201] = 0x264 + 4 - 0x202;
  file.write('HdrS', 0x202);
  file.writeUInt16LE(over.version ?? 0x020f, 0x206);
  file[0x211] = 1;
  file.writeUInt32LE(over.initrdMax ?? 0x7fffffff, 0x22c);
  file.writeUInt32LE(0x200000, 0x230);
  file[0x234] = 1;
  file.writeUInt16LE(over.xload ?? 1, 0x236);
  file.writeUInt32LE(2047, 0x238);
  file.writeBigUInt64LE(BigInt(over.preferred ?? 0x1000000), 0x258);
  file.writeUInt32LE(over.initSize ?? 0x200000, 0x260);
  return file;
}

interface Part {
  type: number;
  gpa: number;
  bytes: Buffer;
  memorySize?: number;
}

/** An ELF file with the given program headers. */
function elf(wide: boolean, entry: number, parts: readonly Part[]): Buffer {
  const headerSize = wide ? 64 : 52;
  const entrySize = wide ? 56 : 32;
  const header = Buffer.alloc(headerSize + entrySize * parts.length);
  header.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, 1, 1]);
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(wide ? 62 : 3, 18);
  const word = (at: number, value: number) =>
    wide ? header.writeBigUInt64LE(BigInt(value), at) : header.writeUInt32LE(value, at);
  word(24, entry);
  word(wide ? 32 : 28, headerSize);
  header.writeUInt16LE(entrySize, wide ? 54 : 42);
  header.writeUInt16LE(parts.length, wide ? 56 : 44);
  let offset = header.length;
  parts.forEach(({ type, gpa, bytes, memorySize }, i) => {
    const at = headerSize + i * entrySize;
    header.writeUInt32LE(type, at);
    const fields = wide ? [8, 16, 24, 32, 40] : [4, 8, 12, 16, 20];
    for (const [j, value] of [offset, gpa, gpa, bytes.length, memorySize ?? bytes.length].entries())
      word(at + (fields[j] ?? 0), value);
    offset += bytes.length;
  });
  return Buffer.concat([header, ...parts.map((part) => part.bytes)]);
}

function pvhNote(entry: number): Buffer {
  const note = Buffer.alloc(20);
  note.writeUInt32LE(4, 0);
  note.writeUInt32LE(4, 4);
  note.writeUInt32LE(18, 8);
  note.write('Xen\0', 12);
  note.writeUInt32LE(entry, 16);
  return note;
}

const multibootHeader = (flags: number, ...addresses: number[]): Buffer => {
  const bytes = Buffer.alloc(12 + 4 * addresses.length);
  bytes.writeUInt32LE(0x1badb002, 0);
  bytes.writeUInt32LE(flags, 4);
  bytes.writeUInt32LE((0x100000000 - 0x1badb002 - flags) >>> 0, 8);
  for (const [i, value] of addresses.entries()) bytes.writeUInt32LE(value, 12 + 4 * i);
  return bytes;
};
const multibootElf = () =>
  elf(false, 0x200010, [
    { type: 1, gpa: 0x200000, bytes: Buffer.concat([multibootHeader(3), Buffer.alloc(100, 0xcc)]), memorySize: 0x3000 },
  ]);

describe('memory map', () => {
  it('leaves out the gap below 1 MiB and the firmware segment, in ascending order', () => {
    const map = memoryMap(i440fxPlatform({ cpus: 1, ramBytes: 512 * MIB }));
    expect(map.filter((r) => r.type === 1).map(({ start, end }) => [start, end])).toEqual([
      [0, 0x9fc00],
      [MIB, 512 * MIB],
    ]);
    for (const [i, range] of map.entries()) expect(range.start).toBeGreaterThanOrEqual(map[i - 1]?.end ?? 0);
  });
  it('of a machine with 1 MiB has no memory above it', () => {
    const map = memoryMap(i440fxPlatform({ cpus: 1, ramBytes: MIB }));
    expect(map.filter((r) => r.type === 1)).toEqual([{ start: 0, end: 0x9fc00, type: 1 }]);
  });
  it('puts what does not fit below the hole above 4 GiB', () => {
    const map = memoryMap(i440fxPlatform({ cpus: 1, ramBytes: 2 ** 32 }));
    expect(map.at(-1)).toEqual({ start: 2 ** 32, end: 2 ** 32 + 2 ** 29, type: 1 });
  });
});

describe('tables in the F segment', () => {
  const { ram, platform, memory } = machine(4 * MIB);
  const tables = leaveTables({ ...platform, cpus: 254 }, memory);
  const zeroSum = (at: number, size: number) => ram.subarray(at, at + size).reduce((sum, byte) => (sum + byte) & 0xff, 0);

  it('have SMBIOS with right sums, counted structures and an end', () => {
    const at = tables.smbios;
    expect(ram.toString('latin1', at, at + 4)).toBe('_SM_');
    expect([zeroSum(at, 0x1f), zeroSum(at + 0x10, 0x0f)]).toEqual([0, 0]);
    const table = ram.subarray(ram.readUInt32LE(at + 0x18), ram.readUInt32LE(at + 0x18) + ram.readUInt16LE(at + 0x16));
    const types: number[] = [];
    for (let p = 0; p < table.length; ) {
      types.push(table[p] ?? -1);
      p += table[p + 1] ?? 0;
      while (table.readUInt16LE(p) !== 0) p++;
      p += 2;
    }
    expect(types.length).toBe(ram.readUInt16LE(at + 0x1c));
    expect(types.filter((type) => type === 4).length).toBe(254);
    expect(types.at(-1)).toBe(127);
  });

  it('have an MP table whose entries add up', () => {
    const at = tables.mpTable;
    expect(ram.toString('latin1', at, at + 4)).toBe('_MP_');
    expect(zeroSum(at, 16)).toBe(0);
    const table = ram.readUInt32LE(at + 4);
    const size = ram.readUInt16LE(table + 4);
    expect(zeroSum(table, size)).toBe(0);
    let entries = 0;
    let p = table + 44;
    for (; p < table + size; p += ram[p] === 0 ? 20 : 8) entries++;
    expect([p, entries]).toEqual([table + size, ram.readUInt16LE(table + 34)]);
  });
});

describe('real mode', () => {
  const { ram, platform, memory } = machine(2 * MIB);
  const { mpTable } = leaveTables(platform, memory);
  const handler = (vector: number) => ram.readUInt16LE(vector * 4) + ram.readUInt16LE(vector * 4 + 2) * 16;

  it('has a handler for every vector of a BIOS, behind the tables', () => {
    for (let vector = 0; vector < 0x78; vector++) expect(handler(vector)).toBeGreaterThan(mpTable);
    expect([ram[handler(0x10)], handler(0x78)]).toEqual([0xcf, 0]);
  });

  it('acknowledges where the interrupt came from, and counts ticks', () => {
    const code = (vector: number) => ram.subarray(handler(vector), handler(vector) + 20);
    const ends = (vector: number, port: number) =>
      code(vector)
        .subarray(0, code(vector).indexOf(0xcf) + 1)
        .includes(Buffer.from([0xe6, port]));
    expect([ends(0x0b, 0x20), ends(0x0b, 0xa0), ends(0x75, 0x20), ends(0x75, 0xa0)]).toEqual([true, false, true, true]);
    expect(code(0x08).includes(Buffer.from([0x66, 0xff, 0x06, 0x6c, 0x04]))).toBe(true);
  });

  it('has a data area with the ports and the size of conventional memory', () => {
    expect([ram.readUInt16LE(0x400), ram.readUInt16LE(0x413), ram.readUInt16LE(0x40e)]).toEqual([0x3f8, 639, 0x9fc0]);
  });
});

describe('Linux bzImage', () => {
  it('starts in long mode with everything where the zero page says', () => {
    const { ram, boot } = machine(64 * MIB);
    const initrd = Buffer.from('an initrd of ours');
    const regs = boot({
      kernel: { name: 'vmlinuz', bytes: bzImage() },
      initrd: { name: 'i', bytes: initrd },
      commandLine: 'console=ttyS0',
    });
    expect(regs).toMatchObject({ mode: 'long', rip: 0x1000200, cr0: 0x80000011, cr4: 0x20, efer: 0x500 });
    const zero = ram.subarray(regs.rsi, regs.rsi + 4096);
    expect(zero.readUInt32LE(0x202)).toBe(0x53726448);
    const line = zero.readUInt32LE(0x228);
    expect(ram.toString('latin1', line, line + 14)).toBe('console=ttyS0\0');
    const at = zero.readUInt32LE(0x218);
    expect(ram.subarray(at, at + zero.readUInt32LE(0x21c)).equals(initrd)).toBe(true);
    expect(at % 4096).toBe(0);
    expect(ram.toString('latin1', Number(zero.readBigUInt64LE(0x70))).startsWith('RSD PTR ')).toBe(true);
    expect(zero[0x1e8]).toBeGreaterThan(3);
    expect(ram[0x1000000]).toBe(0x90);
  });

  it('gives page tables that map the first 4 GiB on themselves, and a GDT that agrees with the registers', () => {
    const { ram, boot } = machine(64 * MIB);
    const regs = boot({ kernel: { name: 'vmlinuz', bytes: bzImage() } });
    const walk = (address: number) => {
      const entry = (table: number, index: number) => Number(ram.readBigUInt64LE((table & ~0xfff) + index * 8));
      const pointers = entry(regs.cr3, 0);
      const directory = entry(pointers, Math.floor(address / 2 ** 30));
      const page = entry(directory, Math.floor(address / 2 ** 21) % 512);
      expect([pointers & 3, directory & 3, page & 0x83]).toEqual([3, 3, 0x83]);
      return page - (page % 2 ** 21) + (address % 2 ** 21);
    };
    for (const address of [0, 0x1000200, 0xfee00010, 0xffffffff]) expect(walk(address)).toBe(address);
    expect(ram.readBigUInt64LE(regs.gdt.base + regs.segments.cs.selector)).toBe(0x00af9b000000ffffn);
    expect(ram.readBigUInt64LE(regs.gdt.base + regs.segments.ds.selector)).toBe(0x00cf93000000ffffn);
  });

  it('chains set-up data', () => {
    const { ram, boot } = machine(64 * MIB);
    const regs = boot({
      kernel: { name: 'k', bytes: bzImage() },
      setupData: [
        { type: 9, bytes: Buffer.from('seed') },
        { type: 5, bytes: Buffer.alloc(3) },
      ],
    });
    const first = Number(ram.readBigUInt64LE(regs.rsi + 0x250));
    const second = Number(ram.readBigUInt64LE(first));
    expect([ram.readUInt32LE(first + 8), ram.readUInt32LE(first + 12), ram.toString('latin1', first + 16, first + 20)]).toEqual([
      9,
      4,
      'seed',
    ]);
    expect([ram.readUInt32LE(second + 8), ram.readBigUInt64LE(second)]).toEqual([5, 0n]);
  });

  it('hands a seed on before other set-up data, to kernels that follow the chain', () => {
    const seed = Uint8Array.from({ length: 32 }, (_, i) => 255 - i);
    const { ram, boot } = machine(64 * MIB);
    const files = { kernel: { name: 'k', bytes: bzImage() }, seed, setupData: [{ type: 5, bytes: Buffer.alloc(3) }] };
    const first = Number(ram.readBigUInt64LE(boot(files).rsi + 0x250));
    expect([ram.readUInt32LE(first + 8), ram.readUInt32LE(first + 12)]).toEqual([9, 32]);
    expect(ram.subarray(first + 16, first + 48).equals(seed)).toBe(true);
    expect(ram.readUInt32LE(Number(ram.readBigUInt64LE(first)) + 8)).toBe(5);
    const old = machine(64 * MIB);
    const regs = old.boot({ ...files, kernel: { name: 'k', bytes: bzImage({ version: 0x0208 }) } });
    expect(old.ram.readBigUInt64LE(regs.rsi + 0x250)).toBe(0n);
  });

  it('without a 64-bit entry starts in protected mode', () => {
    const { boot } = machine(64 * MIB);
    expect(boot({ kernel: { name: 'k', bytes: bzImage({ xload: 0 }) } })).toMatchObject({
      mode: 'protected',
      rip: 0x1000000,
      cr0: 0x11,
      efer: 0,
    });
  });

  it('is refused when its preferred address is not there: entered lower it would unpack itself there all the same', () => {
    const { boot } = machine(8 * MIB);
    expect(() => boot({ kernel: { name: 'k', bytes: bzImage() } })).toThrow('give the machine at least 18 MiB');
  });

  it.each([
    ['a truncated file', bzImage().subarray(0, 0x500), 'k ends inside its setup code; name an intact kernel file.'],
    [
      'an ancient protocol',
      bzImage({ version: 0x0201 }),
      'k speaks boot protocol 2.1; name a kernel of version 2.6.22 or newer.',
    ],
    [
      'a need beyond the machine',
      bzImage({ initSize: 64 * MIB }),
      'The kernel of 67108864 bytes does not fit into 32 MiB of memory; give the machine at least 80 MiB.',
    ],
    [
      'an impossible need',
      bzImage({ initSize: 0xffffffff }),
      'k says that it needs 4294967295 bytes at 16777216; name an intact kernel file.',
    ],
  ])('refuses %s', (_what, bytes, sentence) => {
    expect(refusal(() => machine(32 * MIB).boot({ kernel: { name: 'k', bytes } }))).toBe(sentence);
  });

  it('refuses an initrd that does not fit, and a command line that is too long', () => {
    const { boot } = machine(32 * MIB);
    const kernel = { name: 'k', bytes: bzImage() };
    expect(refusal(() => boot({ kernel, initrd: { name: 'i', bytes: Buffer.alloc(20 * MIB) } }))).toBe(
      'The initrd of 20971520 bytes does not fit into 32 MiB of memory; give the machine at least 38 MiB.',
    );
    expect(refusal(() => boot({ kernel, commandLine: 'x'.repeat(3000) }))).toContain('at most 2047');
  });
});

describe('PVH', () => {
  const kernel = (wide: boolean) =>
    elf(wide, 0x1234, [
      { type: 4, gpa: 0, bytes: pvhNote(0x100020) },
      { type: 1, gpa: 0x100000, bytes: Buffer.alloc(64, 0xcc), memorySize: 0x5000 },
    ]);

  it.each([false, true])('enters at the note with the start info in EBX (64-bit file: %s)', (wide) => {
    const { ram, boot } = machine(16 * MIB);
    ram.fill(0xff, 0x100000, 0x106000);
    const regs = boot({
      kernel: { name: 'vmlinux', bytes: kernel(wide) },
      initrd: { name: 'rd', bytes: Buffer.from('module') },
      commandLine: 'quiet',
    });
    expect(regs).toMatchObject({ mode: 'protected', rip: 0x100020, cr0: 0x11, rflags: 2 });
    expect([ram[0x10003f], ram[0x100040], ram[0x104fff]]).toEqual([0xcc, 0, 0]);
    const info = ram.subarray(regs.rbx);
    expect([info.readUInt32LE(0), info.readUInt32LE(4), info.readUInt32LE(12)]).toEqual([0x336ec578, 1, 1]);
    const line = Number(info.readBigUInt64LE(24));
    expect(ram.toString('latin1', line, line + 6)).toBe('quiet\0');
    expect(ram.toString('latin1', Number(info.readBigUInt64LE(32))).startsWith('RSD PTR ')).toBe(true);
    const module = ram.subarray(Number(info.readBigUInt64LE(16)));
    const at = Number(module.readBigUInt64LE(0));
    expect(ram.toString('latin1', at, at + Number(module.readBigUInt64LE(8)))).toBe('module');
    const map = Number(info.readBigUInt64LE(40));
    expect([ram.readBigUInt64LE(map), ram.readBigUInt64LE(map + 8), ram.readUInt32LE(map + 16)]).toEqual([0n, 0x9fc00n, 1]);
  });

  it('refuses an ELF file without entry point, and one that loads over the firmware', () => {
    const plain = elf(true, 0, [{ type: 1, gpa: 0x100000, bytes: Buffer.alloc(8) }]);
    const low = elf(true, 0, [
      { type: 4, gpa: 0, bytes: pvhNote(0xf0000) },
      { type: 1, gpa: 0xe8000, bytes: Buffer.alloc(8), memorySize: 0x9000 },
    ]);
    expect(refusal(() => machine(MIB * 2).boot({ kernel: { name: 'vmlinux', bytes: plain } }))).toContain(
      'neither a PVH entry point nor a multiboot header',
    );
    expect(refusal(() => machine(MIB * 2).boot({ kernel: { name: 'vmlinux', bytes: low } }))).toMatch(
      /outside memory|no usable memory/,
    );
  });
});

describe('multiboot', () => {
  it('passes command line, modules and memory map', () => {
    const { ram, boot } = machine(16 * MIB);
    const regs = boot({
      kernel: { name: 'test.flat', bytes: multibootElf() },
      initrd: { name: 'env', bytes: Buffer.from('NR_CPUS=2') },
      modules: [{ bytes: Buffer.alloc(5000, 7), commandLine: 'second' }],
      commandLine: 'one two',
    });
    expect(regs).toMatchObject({ mode: 'protected', rip: 0x200010, rax: 0x2badb002 });
    const info = ram.subarray(regs.rbx);
    const string = (at: number) => ram.toString('latin1', at, ram.indexOf(0, at));
    expect([info.readUInt32LE(0) & 0x4d, info.readUInt32LE(4), info.readUInt32LE(8)]).toEqual([0x4d, 639, 15 * 1024]);
    expect(string(info.readUInt32LE(16))).toBe('test.flat one two');
    expect(info.readUInt32LE(20)).toBe(2);
    const list = ram.subarray(info.readUInt32LE(24));
    expect(ram.toString('latin1', list.readUInt32LE(0), list.readUInt32LE(4))).toBe('NR_CPUS=2');
    expect(string(list.readUInt32LE(24))).toBe('second');
    expect([list.readUInt32LE(16) % 4096, list.readUInt32LE(20) - list.readUInt32LE(16)]).toEqual([0, 5000]);
    const map = ram.subarray(info.readUInt32LE(48));
    expect([map.readUInt32LE(0), map.readBigUInt64LE(12), map.readUInt32LE(20)]).toEqual([20, 0x9fc00n, 1]);
  });

  it('loads a flat file by its address fields', () => {
    const { ram, boot } = machine(4 * MIB);
    const code = Buffer.concat([
      Buffer.alloc(16, 0x90),
      multibootHeader(1 << 16, 0x100010, 0x100000, 0, 0x102000, 0x100000),
      Buffer.alloc(64, 0xcc),
    ]);
    ram.fill(0xff, 0x100000, 0x104000);
    expect(boot({ kernel: { name: 'flat', bytes: code } }).rip).toBe(0x100000);
    expect(ram.subarray(0x100000, 0x100000 + code.length).equals(code)).toBe(true);
    expect([ram[0x100000 + code.length], ram[0x101fff], ram[0x102000 + 4096]]).toEqual([0, 0, 0xff]);
  });

  it('keeps a kernel in conventional memory clear of its own structures', () => {
    const { boot } = machine(4 * MIB);
    const low = elf(false, 0x4000, [{ type: 1, gpa: 0x4000, bytes: multibootHeader(0), memorySize: 0x90000 }]);
    expect(boot({ kernel: { name: 'low', bytes: low } }).rbx).toBeGreaterThanOrEqual(0x100000);
  });

  it.each([
    ['an unknown requirement', multibootHeader(0x8000), 'requires a multiboot feature that does not exist'],
    ['a video mode', multibootHeader(4), 'asks for a video mode'],
    ['addresses that do not add up', multibootHeader(1 << 16, 0x1000, 0x200000, 0, 0, 0x200000), 'impossible addresses'],
    ['no addresses and no ELF', multibootHeader(0), 'is not an ELF file'],
  ])('refuses %s', (_what, bytes, part) => {
    expect(
      refusal(() => machine(4 * MIB).boot({ kernel: { name: 'k', bytes: Buffer.concat([bytes, Buffer.alloc(32)]) } })),
    ).toContain(part);
  });
});

describe('foreign files', () => {
  it.each([
    ['nothing', Buffer.alloc(0), 'is empty'],
    ['text', Buffer.from('#!/bin/sh\n'), 'is no kernel that this PC can start'],
    ['gzip', Buffer.from([0x1f, 0x8b, 8, 0]), 'is compressed by gzip'],
    ['a cut ELF header', Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]), 'ends inside its ELF header'],
    ['another processor', Object.assign(elf(true, 0, []), { 18: 183 }), 'is for another processor (ELF machine 183)'],
  ])('%s is refused by name', (_what, bytes, part) => {
    expect(refusal(() => detectProtocol('file', bytes))).toContain(`file ${part}`);
  });

  it('a machine without kernel says what to do', () => {
    expect(refusal(() => machine(MIB).boot({}))).toContain('--kernel');
  });

  it('damaged in any byte are loaded or refused, never anything else', () => {
    // A linear congruential sequence with a kept seed: the same damage in every run.
    let seed = 0x2545f491;
    const next = (below: number) => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return seed % below;
    };
    const files = [
      bzImage(),
      multibootElf(),
      elf(true, 0, [
        { type: 4, gpa: 0, bytes: pvhNote(0x100020) },
        { type: 1, gpa: 0x100000, bytes: Buffer.alloc(64) },
      ]),
    ];
    let refused = 0;
    for (let i = 0; i < 600; i++) {
      const bytes = Buffer.from(files[i % 3] ?? files[0] ?? []);
      for (let j = 0; j < 4; j++) bytes[next(Math.min(bytes.length, 0x270))] = next(256);
      const cut = next(4) === 0 ? bytes.subarray(0, next(bytes.length)) : bytes;
      if (refusal(() => machine(4 * MIB).boot({ kernel: { name: 'f', bytes: cut } })) !== 'not refused') refused++;
    }
    expect(refused).toBeGreaterThan(100);
  });
});
