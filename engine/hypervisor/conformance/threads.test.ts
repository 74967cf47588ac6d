import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { assemble } from '../../isa/assemble.ts';
import { createMachineMemory } from '../../memory/index.ts';
import { interpreterImage } from '../bare/testing/interpreter.ts';
import type { Vcpu } from '../index.ts';
import { CREATE, PORT, type StressedBackend, type ThreadData } from './testing/thread.ts';

const MIB = 2 ** 20;
const VCPUS = 4;
const PAGES = 256;
const WRITES = 0x10_0000;
const [LOCKED, PLAIN, LOCK] = [0x5000, 0x5040, 0x5080];
/** Counters across two pages, across two cache lines, and in the page of the program: none can be one wasm atomic. */
const [SPLIT, LINE, CODE] = [0x5ffe, 0x50fe, 0x1e00];

/** Count under LOCK prefixes and under a spin lock, write words of one's own in random pages, call a device. */
const program = (rounds: number) => `
    mov ecx, ${rounds}
  top:
    lock inc dword [${LOCKED}]
  take:
    mov eax, 1
    xchg [${LOCK}], eax
    test eax, eax
    jz taken
    pause
    jmp take
  taken:
    inc dword [${PLAIN}]
    mov dword [${LOCK}], 0
    imul ebx, ebx, 1664525
    add ebx, 1013904223
    mov edx, ebx
    shr edx, 24
    shl edx, 12
    inc dword [edx + esi + ${WRITES}]
    test ecx, 15
    jnz next
    mov edx, ${PORT}
    out dx, al
    lock add dword [${SPLIT}], 1
    mov eax, 1
    lock xadd [${LINE}], eax
    lock inc dword [${CODE}]
  next:
    dec ecx
    jnz top
    hlt`;

const interpreter = interpreterImage();

/** Runs the program on four vCPUs while this thread collects the dirty log and copies what it names. */
async function run(backend: StressedBackend, groups: readonly (readonly number[])[], rounds: number) {
  const sizes = { ramBytes: 4 * MIB, arenaBytes: 160 * MIB, vcpus: VCPUS };
  const memory = createMachineMemory(sizes);
  const machine = CREATE[backend]({ memory, model: 'x86-64-v2', interpreter });
  memory.bus.addPorts({ port: PORT, count: 1, read: () => 0, write: () => undefined });
  const { ramBase, ramBytes } = memory.map;
  machine.setSlot({ slot: 0, gpa: 0, size: ramBytes, hva: ramBase, log: true });
  machine.reset();
  memory.dma.write(0x1000, assemble(program(rounds), { code: 32, origin: 0x1000n }).bytes);
  for (const vcpu of machine.vcpus as readonly Vcpu[]) {
    const sregs = vcpu.get('sregs');
    const flat = { ...sregs.ds, limit: 0xffffffff, selector: 0x10, type: 3, db: 1, g: 1 };
    vcpu.set('sregs', { ...sregs, cs: { ...flat, selector: 8, type: 11, base: 0n }, ds: flat, es: flat, ss: flat, cr0: 0x11n });
    vcpu.set('regs', {
      ...vcpu.get('regs'),
      rip: 0x1000n,
      rsp: 0x8000n,
      rbx: BigInt(vcpu.id * 7919 + 1),
      rsi: BigInt(vcpu.id * 64),
    });
    vcpu.set('mp_state', { mp_state: 0 });
  }
  const copy = memory.dma.read(0, ramBytes);
  let collections = 0;
  const collect = () => {
    const dirty = machine.dirtyLog(0);
    for (let page = 0; page < ramBytes / 4096; page++) {
      if (((dirty[page >>> 3] as number) >>> (page & 7)) & 1) copy.set(memory.dma.read(page * 4096, 4096), page * 4096);
    }
    collections++;
  };
  const workers = groups.map((mine) => {
    const workerData: ThreadData = { ...sizes, memory: memory.memory, interpreter, mine, backend };
    return new Worker(new URL('./testing/thread.ts', import.meta.url), { workerData });
  });
  let working = workers.length;
  const ended = Promise.all(workers.map((worker) => once(worker, 'message').then(() => working--)));
  while (working > 0) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await ended;
  collect();
  await Promise.all(workers.map((worker) => worker.terminate()));
  const word = (gpa: number) => memory.dma.read32(gpa);
  let written = 0;
  for (let page = 0; page < PAGES; page++) for (let id = 0; id < VCPUS; id++) written += word(WRITES + page * 4096 + id * 64);
  const after = memory.dma.read(0, ramBytes);
  const lost = copy.findIndex((byte, at) => byte !== after[at]);
  const uneven = [SPLIT, LINE, CODE].map((gpa) => new DataView(after.buffer, after.byteOffset).getUint32(gpa, true));
  return { locked: word(LOCKED), plain: word(PLAIN), uneven, written, lost, collections };
}

test.each([
  ['bare', 'each on a thread', [[0], [1], [2], [3]]],
  ['bare', 'in turn on one thread', [[0, 1, 2, 3]]],
  ['software', 'each on a thread', [[0], [1], [2], [3]]],
  ['software', 'in turn on one thread', [[0, 1, 2, 3]]],
] as const)(
  '%s: four vCPUs %s: locks hold, no write is lost, map changes and log collection hang nobody',
  async (backend, _name, groups) => {
    const rounds = 20_000;
    const { collections, ...counts } = await run(backend, groups, rounds);
    const all = VCPUS * rounds;
    const uneven = Array(3).fill(all / 16);
    expect(counts).toEqual({ locked: all, plain: all, uneven, written: all, lost: -1 });
    expect(collections).toBeGreaterThan(2);
  },
  120_000,
);
