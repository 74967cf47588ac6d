/** Stops at what a processor does to itself and to devices: MSRs, control registers, modes, device memory; on all back ends and tiers. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { StopCondition } from '../../engine/contract/stops.ts';
import { multibootImage } from '../benches/loop-guest.ts';
import { connectTo, type EngineClient } from './engine-client.ts';
import { type Bench, createBench, notBuilt } from './session.ts';

/** IA-32, protected mode without paging: says `!`, then does each thing once a round. */
const start = [
  ...[0x66, 0xba, 0xf8, 0x03], // mov dx, 0x3f8
  ...[0xb0, 0x21, 0xee], // mov al, '!'; out dx, al
];
const round = [
  ...[0xbb, 0x00, 0x40, 0x00, 0x00, 0x4b, 0x75, 0xfd], // mov ebx, 0x4000; dec ebx; jnz back
  ...[0xb9, 0x74, 0x01, 0x00, 0x00, 0x31, 0xd2], // mov ecx, 0x174 (IA32_SYSENTER_CS); xor edx, edx
  ...[0xb8, 0x10, 0x00, 0x00, 0x00, 0x0f, 0x30, 0x0f, 0x32], // mov eax, 0x10; wrmsr; rdmsr
  ...[0xb8, 0x00, 0x50, 0x00, 0x00, 0x0f, 0x22, 0xd8], // mov eax, 0x5000; mov cr3, eax
  ...[0xa1, 0x10, 0x00, 0xc0, 0xfe], // mov eax, [0xfec00010] (data of the I/O APIC)
  ...[0xc7, 0x05, 0x00, 0x00, 0xc0, 0xfe, 0x01, 0x00, 0x00, 0x00], // mov dword [0xfec00000], 1 (its index)
  ...[0x0f, 0x20, 0xc0, 0x24, 0xfe, 0x0f, 0x22, 0xc0], // mov eax, cr0; and al, 0xfe; mov cr0, eax
  ...[0x0c, 0x01, 0x0f, 0x22, 0xc0], // or al, 1; mov cr0, eax
];
const guest = multibootImage(Uint8Array.from([...start, ...round, 0xeb, -(round.length + 2) & 0xff]));

const configurations = [
  ['software', ['--accel', 'software', '--jit', 'off']],
  ['software, hot code compiled', ['--accel', 'software', '--jit', 'on']],
  ['software, compiled', ['--accel', 'software', '--jit', 'force']],
  ['bare', ['--accel', 'bare', '--jit', 'off']],
  ['bare, compiled', ['--accel', 'bare', '--jit', 'force']],
] as const;

let bench: Bench;
let client: EngineClient;
afterEach(async () => {
  client?.close();
  await bench?.close();
});

describe.each(configurations)('stops on %s', (_name, words) => {
  it('at MSRs, control registers, modes and device memory, right after each', async ({ skip }) => {
    if (notBuilt !== undefined) return skip(notBuilt);
    bench = createBench();
    const image = join(bench.data, 'guest.bin');
    writeFileSync(image, guest);
    await bench.start(['run', '--kernel', image, '--memory', '16', '--name', 'stops', ...words]).see('!');
    client = await connectTo(bench.runtime, 'stops');
    const { engine } = client;
    await engine.eventsSubscribe({ events: ['machine-stopped'] });
    await client.event('machine-stopped');

    /** Arms the stop, goes on until it is met, and tells what was met and what comes next. */
    async function met(
      condition: StopCondition,
      times = 1,
    ): Promise<readonly [what: string | undefined, next: string | undefined][]> {
      const found: [string | undefined, string | undefined][] = [];
      // The machine stands still between two stops; the first one may be met before it is told that it is armed.
      const { status } = await engine.machineStatus({});
      const { stop } = await engine.stopAdd({ condition });
      for (let time = 0; time < times; time++) {
        if (time > 0 || status === 'paused') await engine.machineCont({});
        const { stopped } = await client.event('machine-stopped', (data) => data['stopped'] !== undefined);
        expect(stopped).toMatchObject({ why: 'stop', stop, vcpu: 0 });
        const [next] = (await engine.machineDisassemble({ count: 1 })).instructions;
        found.push([(stopped as { what?: string }).what, next?.text]);
      }
      expect((await engine.stopList({})).stops).toMatchObject([{ stop, hits: times }]);
      await engine.stopRemove({ stop });
      return found;
    }

    expect(await met({ on: 'msr', msr: 0x174, access: 'write' })).toEqual([['MSR 0x174 written, value 0x10', 'rdmsr']]);
    expect(await met({ on: 'msr', access: 'read' })).toEqual([['MSR 0x174 read, value 0x10', 'mov eax, 0x5000']]);
    expect(await met({ on: 'cr', cr: 3 })).toEqual([['CR3 written, value 0x5000', 'mov eax, dword [0xfec00010]']]);
    const registers = { on: 'mmio', from: '0xfec00000' } as const;
    const written = ['device memory 0xfec00000 written, value 0x1, 4 bytes', 'mov eax, cr0'];
    const read = [
      expect.stringMatching(/^device memory 0xfec00010 read, value 0x[0-9a-f]+, 4 bytes$/),
      'mov dword [0xfec00000], 0x1',
    ];
    expect(await met({ ...registers, to: '0xfec0001f', access: 'write' }, 2)).toEqual([written, written]);
    expect(await met({ ...registers, to: '0xfec0001f', access: 'read' })).toEqual([read]);
    expect([read, written]).toContainEqual((await met({ ...registers, to: '0xfec0001f', access: 'any' }))[0]);
    // Of a range without an end, its first byte counts.
    expect(await met({ ...registers, access: 'any' })).toEqual([written]);
    // In either order: the stop before this may stand between the two.
    expect((await met({ on: 'mode' }, 2)).toSorted()).toEqual([
      ['protected mode entered', expect.stringMatching(/^jmp /)],
      ['real mode entered', 'or al, 0x1'],
    ]);
  }, 90_000);
});
