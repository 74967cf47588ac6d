/** Debugging real guests from outside: pause, steps, every kind of stop, edits; on both back ends, with and without compiled code. */
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { root } from '../tasks/run.ts';
import { connectTo, type EngineClient } from './engine-client.ts';
import { type Bench, createBench, notBuilt, type Session } from './session.ts';

let bench: Bench;
let client: EngineClient;
let session: Session;

async function start(words: readonly string[]): Promise<void> {
  bench = createBench();
  session = bench.start(['run', '--kernel', join(root, 'assets/guests/echo.bin'), '--memory', '16', '--name', 'dbg', ...words]);
  await session.see('What comes is sent back.');
  client = await connectTo(bench.runtime, 'dbg');
  await client.engine.eventsSubscribe({ events: ['machine-stopped'] });
  expect(await client.event('machine-stopped')).toEqual({});
}

afterEach(async () => {
  client.close();
  await bench.close();
});

/** The stop or the step that comes next. */
async function stopped(): Promise<Record<string, unknown>> {
  const { stopped: why } = await client.event('machine-stopped', (data) => data.stopped !== undefined);
  return why as Record<string, unknown>;
}

async function goOn(): Promise<void> {
  await client.engine.machineCont({});
  await client.event('machine-stopped', (data) => data.stopped === undefined);
}

async function register(name: string, group = 'kvm_regs'): Promise<bigint> {
  const { vcpus } = await client.engine.machineRegisters({ vcpu: 0 });
  return BigInt(vcpus[0]?.registers.find((one) => one.name === name && one.group === group)?.value ?? '-1');
}

async function here(count = 1) {
  return client.engine.machineDisassemble({ count });
}

/** Addresses of instructions of the guest's main loop, by their text. */
async function loop(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const { found: places } = await client.engine.machineMemoryFind({
    space: 'gva',
    from: '0x100000',
    to: '0x200000',
    pattern: 'f466bafd03',
  });
  const from = places[0];
  if (from === undefined) throw new Error('the loop of the guest is not where it should be');
  const { instructions } = await client.engine.machineDisassemble({ gva: from, count: 9 });
  for (const { gva, text } of instructions) if (!found.has(text)) found.set(text, gva);
  return found;
}

const configurations = [
  ['software', ['--accel', 'software']],
  ['software, compiled', ['--accel', 'software', '--jit', 'on']],
  ['bare', ['--accel', 'bare']],
  ['bare, compiled', ['--accel', 'bare', '--jit', 'on']],
] as const;

describe.skipIf(notBuilt !== undefined)(`debugging${notBuilt === undefined ? '' : ` (skipped: ${notBuilt})`}`, () => {
  describe.each(configurations)('on %s', (name, words) => {
    it('pauses, steps, edits and goes on', async () => {
      await start(words);
      await client.engine.machinePause({});
      expect(await stopped()).toEqual({ why: 'pause' });
      expect(await client.engine.machineStatus({})).toMatchObject({ status: 'paused', stopped: { why: 'pause' } });
      const before = (await client.engine.machineStatus({})).guestNanoseconds;
      await new Promise((resolve) => setTimeout(resolve, 30));
      expect((await client.engine.machineStatus({})).guestNanoseconds).toBe(before);
      const places = await loop();
      // From a known place on: two steps are two instructions.
      const { stop } = await client.engine.stopAdd({ condition: { on: 'code', gva: places.get('mov dx, 0x3fd') as string } });
      await goOn();
      await stopped();
      await client.engine.stopRemove({ stop });
      await client.engine.machineRegistersSet({ registers: [{ group: 'kvm_regs', name: 'rbx', value: '0x1234567890abcdef' }] });
      expect(await client.engine.machineStep({})).toMatchObject({ done: true, retired: 1 });
      expect((await register('rdx')) & 0xffffn).toBe(0x3fdn);
      expect((await here()).instructions[0]?.text).toBe('in al, dx');
      expect(await client.engine.machineStep({ count: 2 })).toMatchObject({ retired: 2 });
      expect((await here()).instructions[0]?.text).toMatch(/^je /);
      expect(await register('rbx')).toBe(0x1234567890abcdefn);
      await expect(
        client.engine.machineRegistersSet({
          registers: [
            { group: 'kvm_regs', name: 'rbx', value: '0x1' },
            { group: 'kvm_sregs', name: 'cr3x', value: '0x1' },
          ],
        }),
      ).rejects.toMatchObject({ code: 'register-unknown' });
      expect(await register('rbx')).toBe(0x1234567890abcdefn);
      await goOn();
      session.type('x');
      await session.see('x');
    }, 60_000);

    it('stops at code, again and again, and steps over and out of functions', async () => {
      await start(words);
      await client.engine.machinePause({});
      await stopped();
      const places = await loop();
      const call = [...places].find(([text]) => text.startsWith('call'));
      const { stop } = await client.engine.stopAdd({ condition: { on: 'code', gva: call?.[1] as string } });
      await goOn();
      for (const [at, letter] of ['a', 'b', 'c'].entries()) {
        session.type(letter);
        expect(await stopped()).toMatchObject({ why: 'stop', stop, vcpu: 0 });
        expect((await here()).ip).toBe(call?.[1]);
        expect((await register('rax')) & 0xffn).toBe(BigInt(letter.charCodeAt(0)));
        expect((await client.engine.stopList({})).stops).toMatchObject([{ stop, hits: at + 1 }]);
        if (letter === 'b') {
          expect(await client.engine.machineStep({ kind: 'over' })).toMatchObject({ done: false });
          expect(await stopped()).toMatchObject({ why: 'step' });
          expect((await here()).instructions[0]?.text).toMatch(/^jmp /);
          await session.see('b');
        }
        if (letter === 'c') {
          expect(await client.engine.machineStep({})).toMatchObject({ done: true });
          expect(await stopped()).toEqual({ why: 'step', vcpu: 0 });
          expect((await here()).ip).not.toBe(call?.[1]);
          await client.engine.machineStep({ kind: 'out' });
          expect(await stopped()).toMatchObject({ why: 'step' });
          expect((await here()).instructions[0]?.text).toMatch(/^jmp /);
        }
        await goOn();
      }
      await client.engine.stopRemove({ stop });
      session.type('d');
      await session.see('d');
      await client.engine.machinePause({});
      await stopped();
      await client.engine.machineRunTo({ gva: places.get('mov dx, 0x3fd') as string });
      expect(await stopped()).toMatchObject({ why: 'step' });
      expect((await here()).instructions[0]?.text).toBe('mov dx, 0x3fd');
    }, 60_000);

    it('stops at a port, at data, at an exception and at a text', async () => {
      await start(words);
      const { stop: port } = await client.engine.stopAdd({
        condition: { on: 'port', from: 0x3f8, access: 'write', where: 'value == 0x71' },
      });
      session.type('pq');
      expect(await stopped()).toMatchObject({ why: 'stop', stop: port, what: 'port 0x3f8 written, value 0x71, 1 byte' });
      expect((await register('rax')) & 0xffn).toBe(0x71n);
      await client.engine.stopRemove({});
      const { stop: text } = await client.engine.stopAdd({ condition: { on: 'serial', text: 'xyz' } });
      await goOn();
      session.type('wxyz');
      expect(await stopped()).toMatchObject({ stop: text, what: 'serial text "xyz"' });
      await client.engine.stopRemove({});
      // The stack of the function that prints is written when it is called.
      const rsp = await register('rsp');
      const { stop: data } = await client.engine.stopAdd({
        condition: { on: 'data', gva: `0x${(rsp - 8n).toString(16)}`, bytes: 8 },
      });
      await goOn();
      session.type('.');
      expect(await stopped()).toMatchObject({ stop: data });
      await client.engine.stopRemove({});
      // Page fault: an address that no table maps.
      const places = await loop();
      const at = places.get('mov dx, 0x3fd') as string;
      await client.engine.machineMemorySet({ address: at, bytes: '8a06' }); // mov al, [rsi]
      await client.engine.machineRegistersSet({
        registers: [
          { group: 'kvm_regs', name: 'rip', value: at },
          { group: 'kvm_regs', name: 'rsi', value: '0x7f0000000000' },
        ],
      });
      const { stop: fault } = await client.engine.stopAdd({ condition: { on: 'exception', vector: 14 } });
      await goOn();
      expect(await stopped()).toMatchObject({ stop: fault, what: 'exception 14, error code 0x0, address 0x7f0000000000' });
      expect(await register('cr2', 'kvm_sregs')).toBe(0x7f0000000000n);
    }, 60_000);

    it(name.startsWith('bare') ? 'refuses stops at exits' : 'stops at exits, by reason and by what they bring', async () => {
      await start(words);
      if (name.startsWith('bare')) {
        await expect(client.engine.stopAdd({ condition: { on: 'exit' } })).rejects.toMatchObject({ code: 'stop-unsupported' });
        return;
      }
      const { stop } = await client.engine.stopAdd({ condition: { on: 'exit', reason: 'HLT' } });
      expect(await stopped()).toMatchObject({ stop, why: 'stop' });
      const { fields } = await client.engine.machineVmcs({});
      expect(fields.find(({ name: field }) => field === 'exitReason')?.value).toBe('0x0000000c');
      await client.engine.stopChange({ stop, enabled: false });
      const { stop: io } = await client.engine.stopAdd({
        condition: { on: 'exit', reason: 'IO_INSTRUCTION', where: 'port == 0x3f8 && write == 0' },
      });
      await goOn();
      session.type('q');
      expect(await stopped()).toMatchObject({ stop: io });
      await expect(client.engine.stopAdd({ condition: { on: 'exit', where: 'nonsense ==' } })).rejects.toMatchObject({
        code: 'trace-where',
      });
    }, 60_000);

    it('shows devices, interrupt controllers, PCI functions and memory', async () => {
      await start(words);
      const { lapics, ioapic, pics, pit } = await client.engine.machineInterrupts({});
      expect([lapics.length, ioapic.pins.length, pics.map(({ base }) => base)]).toEqual([1, 24, [0x20, 0x28]]);
      expect(pics[0]?.masked).toEqual([1, 2, 3, 4, 5, 6, 7]);
      expect(pit[0]).toMatchObject({ mode: 2, reload: 11932 });
      expect(Math.round(pit[0]?.hertz ?? 0)).toBe(100);
      const { functions } = await client.engine.machinePci({});
      expect(functions.map(({ vendor, id, name: kind }) => `${vendor}:${id} ${kind}`)).toContain('0x8086:0x1237 host bridge');
      const { devices } = await client.engine.machineDevices({ names: ['com1'] });
      expect(devices).toMatchObject([{ name: 'com1', type: 'uart16550' }]);
      const { bytes } = await client.engine.machineMemory({ space: 'gpa', address: '0xfffffffffffff000', bytes: 4 });
      expect(bytes).toBe('--------');
      const bios = await client.engine.machineMemory({ space: 'gpa', address: '0x100000', bytes: 16 });
      expect(bios.bytes).toMatch(/^[0-9a-f]{32}$/);
    }, 60_000);
  });

  it('is to be had on a terminal as well', async () => {
    await start([]);
    const debugging = bench.start(['debug', 'dbg']);
    await debugging.see('(rootmode) ');
    for (const [line, answer] of [
      ['pause', /\(rootmode\) /],
      ['stop-add on=exit reason=HLT', /stop: 1/],
      ['stop-add on=port from=0x3f8 to=0x3ff', /stop: 2/],
      ['cont', /\(rootmode\) /],
      ['disassemble count=2', /=> 0x10[0-9a-f]{4} .*\n {3}0x10[0-9a-f]{4} /],
      ['memory address=0x100000 bytes=16', /0x0000000000100000 {2}02 b0 ad 1b/],
      ['stop-add on=nothing', /The arguments of stop-add are wrong/],
    ] as const) {
      debugging.type(`${line}\n`);
      await debugging.see(answer);
    }
    await debugging.seeError(/Stopped on vCPU 0: (exit: reason HLT|port 0x3f)/);
    debugging.type('continue\n');
    expect((await debugging.ended).status).toBe(0);
  }, 60_000);
});
