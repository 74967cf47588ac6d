/** Debian's kernel with a busybox initramfs, on the built program: the console, the shell, the ways a machine ends. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cachedGuests, guestsMissing } from '../tasks/guest-cache.ts';
import { userSpaceMark } from '../tasks/initramfs.ts';
import { type Bench, createBench, notBuilt, type Session } from './session.ts';

const guests = cachedGuests();
const reason = notBuilt ?? (guests === undefined ? guestsMissing : undefined);

let bench: Bench;
beforeEach(() => {
  bench = createBench();
});
afterEach(() => bench.close());

const prompt = 'guest# ';

function words(name: string, append = 'console=ttyS0 quiet panic=-1'): string[] {
  const { kernel, initrd } = guests as NonNullable<typeof guests>;
  return ['run', '--kernel', kernel, '--initrd', initrd, '--append', append, '--memory', '256', '--name', name];
}

/** Starts a machine and waits for its shell. */
async function shell(name: string): Promise<Session> {
  const session = bench.start(words(name));
  await session.see(userSpaceMark, 120_000);
  await session.see(prompt);
  return session;
}

/** Types one shell command; gives what it printed. */
async function ask(session: Session, line: string): Promise<string> {
  session.type(`${line}; echo "<$?>"\n`);
  const [answer] = await session.see(/\r\n(.*?)<\d+>\r\n/s, 120_000);
  await session.see(prompt);
  return answer.replace(/^\r\n/, '').replaceAll('\r\n', '\n');
}

function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

describe.skipIf(reason !== undefined)(`Debian's kernel${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  it('boots to a shell that answers, hashes files in tmpfs, and powers off with status 0', async () => {
    const session = await shell('shell');
    expect(await ask(session, 'uname -sm')).toBe('Linux x86_64\n<0>\n');
    expect(await ask(session, 'echo $((6 * 7)) | tr 42 24; false')).toBe('24\n<1>\n');
    const numbers = `${Array.from({ length: 50_000 }, (_, n) => n + 1).join('\n')}\n`;
    expect(await ask(session, 'seq 1 50000 > /tmp/numbers; sha256sum < /tmp/numbers')).toContain(sha256(numbers));
    expect(await ask(session, 'gzip -c /tmp/numbers | gunzip | sha256sum')).toContain(sha256(numbers));
    const zeros = new Uint8Array(8 << 20);
    expect(await ask(session, 'dd if=/dev/zero of=/tmp/zeros bs=64k count=128 2>/dev/null; sha256sum < /tmp/zeros')).toContain(
      sha256(zeros),
    );
    const busybox = readFileSync((guests as NonNullable<typeof guests>).busybox);
    expect(await ask(session, 'sha256sum < /bin/busybox')).toContain(sha256(busybox));
    session.type('poweroff -f\n');
    const { status, signal, err } = await session.ended;
    expect({ status, signal, err }).toEqual({ status: 0, signal: null, err: '' });
    expect(readdirSync(bench.runtime)).toEqual([]);
  });

  it('takes the HPET for its clock when it is told of one', async () => {
    const session = bench.start([...words('hpet', 'console=ttyS0 quiet panic=-1 clocksource=hpet'), '--hpet']);
    await session.see(userSpaceMark, 200_000);
    await session.see(prompt);
    const sources = '/sys/devices/system/clocksource/clocksource0';
    expect(await ask(session, `cat ${sources}/available_clocksource ${sources}/current_clocksource`)).toMatch(
      /hpet.*\nhpet\n<0>/,
    );
    // Short lines: the terminal repeats what is typed, and breaks long ones.
    await ask(session, 'up() { cut -d. -f1 /proc/uptime; }');
    expect(await ask(session, 'a=$(up); sleep 2; echo $(($(up) - a >= 1))')).toBe('1\n<0>\n');
    session.kill('SIGINT');
    expect((await session.ended).status).toBe(130);
  });

  it('loses no byte of a large paste, nor of output that waits for its reader', async () => {
    const session = await shell('pasted');
    const numbers = Array.from({ length: 4000 }, (_, n) => `${n + 1}\n`).join('');
    session.type('stty -echo; cat > /tmp/pasted\n');
    session.type(numbers);
    session.type('\x04');
    session.type('sha256sum < /tmp/pasted\n');
    await session.see(sha256(numbers));
    session.hold(true);
    session.type('stty -onlcr; seq 1 60000; echo the end\n');
    await new Promise((resolve) => setTimeout(resolve, 5000));
    session.hold(false);
    await session.see('the end\n');
    const lines = Array.from({ length: 60_000 }, (_, n) => `${n + 1}\n`).join('');
    expect(session.out.includes(lines)).toBe(true);
    session.kill('SIGINT');
    expect((await session.ended).status).toBe(130);
  });

  it('shows its log from the first line, and nothing else on standard output', async () => {
    const session = bench.start(words('log', 'console=ttyS0 panic=-1 earlyprintk=serial'));
    await session.see(/Linux version \d+\.\d+/);
    await session.see(userSpaceMark, 120_000);
    await session.see(prompt);
    session.type('poweroff -f\n');
    const { out, err, status } = await session.ended;
    expect(status).toBe(0);
    expect(err).toBe('');
    expect(out.trimStart()).toMatch(/^(\[ +0\.0{6}\] |early console|Probing|Decompressing)/);
    expect(out).not.toMatch(/BUG:|Oops|WARNING: CPU|unchecked MSR|Call Trace/);
  });

  it('can be looked into while it runs', async () => {
    const session = await shell('looked-at');
    // The shell waits for a key, so the kernel idles in the upper half of the address space, but for a moment now and then.
    let regs = await bench.run('regs', 'looked-at');
    for (let tries = 0; tries < 10 && !/ rip +0xffffffff/.test(regs.out); tries++) regs = await bench.run('regs', 'looked-at');
    expect(regs).toMatchObject({ status: 0, err: '' });
    expect(regs.out).toMatch(/^vCPU 0\n/);
    expect(regs.out).toMatch(/ rip +0xffffffff[89a-f]/);
    expect(regs.out).toMatch(/ cr0 +0x0*800500[0-9a-f]{2}/);
    const title = readFileSync(`/proc/${session.pid}/cmdline`, 'utf8');
    expect(title).toContain('rootmode looked-at');
    const again = await bench.run(...words('looked-at'));
    expect(again.err).toBe('rootmode: A machine named looked-at is running already; choose another name with --name.\n');
    expect(again.status).toBe(2);
    expect(await ask(session, 'echo still here')).toBe('still here\n<0>\n');
  });

  it('opens the monitor on Ctrl-A c and quits on Ctrl-A x', async () => {
    const session = await shell('keys');
    session.type('\x01c');
    await session.seeError('(rootmode) ');
    session.type('status\n');
    await session.seeError(/status: running.*\(rootmode\) /s);
    session.type('registers\n');
    await session.seeError(/vCPU 0.* rip +0x.*\(rootmode\) /s);
    session.type('continue\n');
    expect(await ask(session, 'echo back')).toBe('back\n<0>\n');
    session.type('\x01x');
    expect((await session.ended).status).toBe(0);
  });

  it('presses the power button on SIGTERM, and the guest powers off', async () => {
    const session = await shell('terminated');
    session.kill('SIGTERM');
    expect(await session.ended).toMatchObject({ status: 0, signal: null });
  });

  it('ends with 130 on SIGINT', async () => {
    const session = await shell('interrupted');
    session.kill('SIGINT');
    expect(await session.ended).toMatchObject({ status: 130, signal: null });
    expect(readdirSync(bench.runtime)).toEqual([]);
  });

  it('starts again after kill -9 under the same name', async () => {
    const session = await shell('killed');
    session.kill('SIGKILL');
    expect(await session.ended).toMatchObject({ status: null, signal: 'SIGKILL' });
    expect(existsSync(`${bench.runtime}/rootmode/killed.sock`)).toBe(true);
    expect((await bench.run('regs', 'killed')).err).toMatch(/No machine named killed is running/);
    const again = await shell('killed');
    expect(await ask(again, 'echo again')).toBe('again\n<0>\n');
  });

  it('resets and boots again on reboot', async () => {
    const session = await shell('rebooted');
    session.type('reboot -f\n');
    await session.see(userSpaceMark, 120_000);
    await session.see(prompt);
    session.type('poweroff -f\n');
    expect(await session.ended).toMatchObject({ status: 0, signal: null });
  });
});
