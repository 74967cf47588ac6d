/** Looking into a running machine with the built command, compared with what guests know: exact counts of ours, /proc of Linux. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createClient } from '../../engine/contract/client.ts';
import { engineCommands } from '../../engine/contract/commands.ts';
import { accelerators } from '../../engine/contract/settings.ts';
import { connectEngine, type EngineConnection } from '../../engine/servers/engine-connection.ts';
import { cachedGuests, guestsMissing } from '../tasks/guest-cache.ts';
import { userSpaceMark } from '../tasks/initramfs.ts';
import { multibootImage } from './multiboot-image.ts';
import { type Bench, createBench, notBuilt, type Session } from './session.ts';

let bench: Bench;
beforeEach(() => {
  bench = createBench();
});
afterEach(() => bench.close());

const image = (name: string, text: string): string => multibootImage(join(bench.runtime, `${name}.bin`), text);

const PORTS = 1000;
const CPUIDS = 500;

/** Port writes and CPUIDs in exact numbers, then a halt for ever. */
const COUNTED = `
  mov esi, ${PORTS}
ports:
  out 0x80, al
  dec esi
  jnz ports
  mov esi, ${CPUIDS}
cpuids:
  xor eax, eax
  cpuid
  dec esi
  jnz cpuids
  cli
  hlt
`;

/** The same whenever a byte arrives at the serial port, which is polled; 'D' when done. */
const ON_DEMAND = `
again:
  mov dx, 0x3fd
  in al, dx
  test al, 1
  jz again
  mov dx, 0x3f8
  in al, dx
${COUNTED.replace(/ {2}cli\n {2}hlt\n/, '')}
  mov dx, 0x3f8
  mov al, 0x44
  out dx, al
  jmp again
`;

async function kstat(name: string, vcpu = 0): Promise<Record<string, number | null>> {
  const { out } = await bench.run('stat', '--kstat', name, '--json');
  const { counted } = JSON.parse(out) as {
    counted: { groups: { group: string; sets: { vcpu: number | null; counters: Record<string, number | null> }[] }[] };
  };
  return counted.groups.find(({ group }) => group === 'vcpu')?.sets.find((set) => set.vcpu === vcpu)?.counters ?? {};
}

/** Counters once they are as expected, or after a while as they are. */
async function counted(
  name: string,
  good: (seen: Record<string, number | null>) => boolean,
): Promise<Record<string, number | null>> {
  return until(() => kstat(name).catch(() => ({}) as Record<string, number | null>), good);
}

async function until<T>(ask: () => Promise<T>, good: (value: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries++) {
    const value = await ask();
    if (good(value) || tries === 50) return value;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** A client of a machine that has just been started. */
async function engine(name: string) {
  process.env.XDG_RUNTIME_DIR = bench.runtime;
  const connect = async () => {
    const connection = await connectEngine(name);
    connections.push(connection);
    const client = createClient(engineCommands, connection);
    return (await client.machineStatus({})).status === 'running' ? client : undefined;
  };
  const client = await until(
    () => connect().catch(() => undefined),
    (made) => made !== undefined,
  );
  if (client === undefined) throw new Error(`the machine ${name} did not start`);
  return client;
}

const connections: EngineConnection[] = [];
const runtime = process.env.XDG_RUNTIME_DIR;
afterEach(() => {
  for (const connection of connections.splice(0)) connection.close();
  if (runtime === undefined) delete process.env.XDG_RUNTIME_DIR;
  else process.env.XDG_RUNTIME_DIR = runtime;
});

it.skipIf(notBuilt !== undefined).each(accelerators)('counts what the drives do, on %s', async (accel) => {
  const file = join(bench.data, 'disk.img');
  const disk = Buffer.alloc(1 << 20);
  // A boot sector of one instruction, a jump to itself: the BIOS reads that sector and nothing else.
  disk.set([0xeb, 0xfe], 0);
  disk.set([0x55, 0xaa], 510);
  writeFileSync(file, disk);
  bench.start(['run', '--disk', file, '--memory', '16', '--accel', accel, '--name', 'read']);
  const client = await engine('read');
  const counted = async () => (await client.machineCounters({})).groups.find(({ group }) => group === 'disk')?.sets[0]?.counters;
  expect(await until(counted, (counters) => counters?.['disk-reads'] === 1)).toMatchObject({
    ...{ 'disk-reads': 1, 'disk-read-bytes': 512, 'disk-writes': 0, 'disk-write-bytes': 0, 'disk-failures': 0 },
  });
});

it.skipIf(notBuilt !== undefined)('keeps the VMCS of every recorded exit', async () => {
  bench.start(['run', '--kernel', image('kept', ON_DEMAND), '--memory', '16', '--name', 'kept', '--serial', 'console']);
  const client = await engine('kept');
  const { trace } = await client.machineTraceStart({ probes: ['exit'], vmcs: true, where: 'reason == CPUID' });
  await client.serialWrite({ bytes: btoa('x') });
  const events: Awaited<ReturnType<typeof client.machineTraceRead>>['events'] = [];
  while (events.length < CPUIDS) events.push(...(await client.machineTraceRead({ trace, waitMilliseconds: 2000 })).events);
  await client.machineTraceStop({ trace });
  expect(events).toHaveLength(CPUIDS);
  for (const { nanoseconds, args } of events.filter((_, i) => i % 7 === 0)) {
    const { fields, launched } = await client.machineExitVmcs({ vcpu: 0, nanoseconds });
    const value = (name: string) => BigInt(fields.find((field) => field.name === name)?.value ?? -1);
    expect([value('exitReason'), value('guestRip'), value('exitInstructionLength'), launched]).toEqual([
      10n,
      BigInt(args.rip as string),
      2n,
      true,
    ]);
  }
  await expect(client.machineExitVmcs({ vcpu: 0, nanoseconds: 1 })).rejects.toMatchObject({ code: 'exit-forgotten' });
  await expect(client.machineExitVmcs({ vcpu: 9, nanoseconds: 1 })).rejects.toMatchObject({ code: 'vcpu-unknown' });
});

describe.skipIf(notBuilt !== undefined).each(accelerators)(
  `a counted guest on %s${notBuilt ? ` (skipped: ${notBuilt})` : ''}`,
  (accel) => {
    const start = (name: string, text: string): Session =>
      bench.start(['run', '--kernel', image(name, text), '--memory', '16', '--accel', accel, '--name', name]);

    it('is counted exactly', async () => {
      start('counted', COUNTED);
      const counters = await counted('counted', (seen) => seen['halt-exits'] === 1);
      expect(counters['io-exits']).toBe(PORTS);
      expect(counters['halt-exits']).toBe(1);
      if (accel === 'bare') expect(counters.exits).toBeNull();
      else expect(counters.exits).toBeGreaterThanOrEqual(PORTS + CPUIDS + 1);
      const { out, status } = await bench.run('stat');
      const [, row = ''] = out.split('\n');
      expect(out).toMatch(/^ +pid vcpu \| +exits : +haltx +irqx +irqwx +iox +mmiox \| +irqs +emul +eptv \| name\n/);
      expect(row.split(/[\s|:]+/).filter((word) => word !== '')).toEqual(
        expect.arrayContaining([expect.stringMatching(/^\d+$/), '0', String(PORTS), 'counted']),
      );
      expect(status).toBe(0);
    });

    it('is traced exactly, and its exits are timed exactly as often as they happen', async () => {
      const session = start('demand', ON_DEMAND);
      const client = await engine('demand');
      const traced = await client.machineTraceStart({ probes: ['pio'], where: 'port == 0x80' });
      const timed = accel === 'bare' ? undefined : await client.machineTraceStart({ histogram: true, where: 'reason == CPUID' });
      session.type('g');
      await session.see('D');
      const { events, dropped } = await client.machineTraceRead({ ...traced, limit: 10_000 });
      expect([events.length, dropped]).toEqual([PORTS, 0]);
      expect(events[0]).toMatchObject({ probe: 'pio', vcpu: 0, args: { port: '0x80', size: '0x1', write: '0x1' } });
      const times = events.map(({ nanoseconds }) => nanoseconds);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      if (timed === undefined) return;
      const { histograms } = await client.machineTraceRead(timed);
      const [vcpu] = histograms ?? [];
      expect(vcpu?.reasons).toMatchObject([{ reason: 'CPUID', count: CPUIDS }]);
      expect(vcpu?.guest.buckets.reduce((sum, { count }) => sum + count, 0)).toBe(CPUIDS);
    });

    it('is followed by the command, line by line', async () => {
      start('polling', ON_DEMAND);
      await engine('polling');
      const { out, err, status } = await bench.run(
        'trace',
        '--probe',
        'pio',
        '--where',
        'port == 0x3fd && write == 0',
        '--count',
        '5',
      );
      // It polls faster than anybody reads on a slow computer: lost events are said, and those that come are whole.
      expect(err).toMatch(/^(rootmode: \d+ events came too fast and were lost\.\n)*$/);
      expect(out).toMatch(/^( +\d+\.\d{9} +0 pio +port=0x3fd size=0x1 value=0x60 write=0x0\n){5}$/);
      expect(status).toBe(0);
      const refused = await bench.run('trace', 'polling', '--where', 'prot == 1');
      expect(refused).toMatchObject({ status: 2, out: '' });
      expect(refused.err).toMatch(/there is no prot \(at character 1\)/);
    });

    it('that ends while it is watched ends the watcher with a sentence', async () => {
      const session = start('short', COUNTED);
      await counted('short', (seen) => seen['halt-exits'] === 1);
      const watchers = [bench.start(['stat', '0.2']), bench.start(['trace', 'short', '--probe', 'pio'])];
      await new Promise((resolve) => setTimeout(resolve, 2000));
      session.kill('SIGINT');
      const ended = await Promise.all(watchers.map((watcher) => watcher.ended));
      expect(ended.map(({ status }) => status)).toEqual([0, 0]);
      expect(ended.map(({ err }) => err)).toEqual([
        'rootmode: No machine is left.\n',
        'rootmode: The machine short has ended.\n',
      ]);
    });

    it('Ctrl-C ends a watcher and nothing else', async () => {
      start('kept', COUNTED);
      await counted('kept', (seen) => seen['halt-exits'] === 1);
      const watcher = bench.start(['stat', '0.2']);
      await watcher.see('kept');
      watcher.kill('SIGINT');
      expect(await watcher.ended).toMatchObject({ status: 0, err: '' });
      expect((await kstat('kept'))['io-exits']).toBe(PORTS);
    });
  },
);

const guests = cachedGuests();
const reason = notBuilt ?? (guests === undefined ? guestsMissing : undefined);

describe.skipIf(reason !== undefined).each(accelerators)(
  `Debian's kernel on %s${reason === undefined ? '' : ` (skipped: ${reason})`}`,
  (accel) => {
    it('is seen from outside as it sees itself', async () => {
      const { kernel, initrd } = guests as NonNullable<typeof guests>;
      const session = bench.start(
        ...[
          [
            'run',
            '--kernel',
            kernel,
            '--initrd',
            initrd,
            '--append',
            'console=ttyS0 quiet',
            '--memory',
            '256',
            '--accel',
            accel,
            '--name',
            'linux',
          ],
        ],
      );
      // While it boots.
      await counted('linux', (seen) => (seen['io-exits'] ?? 0) > 0);
      const booting = await bench.run('stat', '1', '3');
      expect(booting).toMatchObject({ status: 0, err: '' });
      expect(booting.out.trim().split('\n').length).toBe(4);
      await session.see(userSpaceMark, 240_000);
      await session.see('guest# ');
      const ask = async (line: string): Promise<string> => {
        session.type(`${line}; echo "<$?>"\n`);
        const [answer] = await session.see(/\r\n(.*?)<\d+>\r\n/s, 120_000);
        return answer;
      };
      // The kernel's own word for where its code is, virtual and physical.
      const text = /([0-9a-f]{16}) . _text\r/.exec(await ask("grep ' _text$' /proc/kallsyms"))?.[1] ?? '';
      const code = /([0-9a-f]+)-[0-9a-f]+ : Kernel code/.exec(await ask('grep "Kernel code" /proc/iomem'))?.[1] ?? '';
      const walked = await bench.run('walk', 'linux', `0x${text}`, '--json');
      const walk = JSON.parse(walked.out) as Record<string, unknown> & { entries: unknown[] };
      expect(BigInt(String(walk.gpa))).toBe(BigInt(`0x${code}`));
      expect(walk).toMatchObject({ paging: '4-level', ept: accel !== 'bare', rights: { user: false, execute: true } });
      expect(walk.entries.length).toBeGreaterThanOrEqual(3);
      // Interrupts as the guest counted them.
      const before = (await kstat('linux'))['irq-injections'] ?? 0;
      const sum = [...(await ask('cat /proc/interrupts')).matchAll(/^ *\w+: +(\d+)/gm)].reduce(
        (all, [, count]) => all + Number(count),
        0,
      );
      const after = (await kstat('linux'))['irq-injections'] ?? 0;
      expect(sum).toBeGreaterThan(before * 0.95 - 50);
      expect(sum).toBeLessThan(after * 1.05 + 50);
      if (accel === 'bare') return;
      const vmcs = await bench.run('vmcs', 'linux', '--json');
      const { fields } = JSON.parse(vmcs.out) as { fields: { name: string; value: string }[] };
      const value = (name: string): bigint => BigInt(fields.find((field) => field.name === name)?.value ?? 0);
      expect(value('guestCr0') & 0x8000_0001n).toBe(0x8000_0001n);
      expect(value('eptPointer')).not.toBe(0n);
      const times = await bench.run('trace', 'linux', '--quantize', '--seconds', '2');
      expect(times).toMatchObject({ status: 0, err: '' });
      expect(times.out).toMatch(/time in the guest until an exit: [1-9]/);
      expect(times.out).toMatch(/HLT +[1-9]/);
    });
  },
);
