import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const program = new URL('./cli.ts', import.meta.url).pathname;
let folder: string;
let runtime: string;
let file: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rootmode-cli-'));
  runtime = join(folder, 'runtime');
  mkdirSync(runtime, { mode: 0o700 });
  file = join(folder, 'image');
  writeFileSync(file, 'no kernel at all');
  writeFileSync(join(folder, 'huge'), '');
  truncateSync(join(folder, 'huge'), 2 ** 32);
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Ended {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

function rootmode(...words: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program, ...words], {
      cwd: folder,
      env: { ...process.env, XDG_RUNTIME_DIR: runtime },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    child.on('close', (status) => resolve({ status, out, err }));
  });
}

describe('help and version', () => {
  it.each([['--version'], ['--help'], ['run', '--help']])('%s %s', async (...words) => {
    const { status, out, err } = await rootmode(...words);
    expect(status).toBe(0);
    expect(err).toBe('');
    expect(out).toMatch(words[0] === '--version' ? /^\d+\.\d+\.\d+\n$/ : /^Usage: rootmode/);
  });
});

describe('capabilities', () => {
  it('names what is offered, and the reason for what is not', async () => {
    const { status, out } = await rootmode('capabilities');
    expect(status).toBe(0);
    expect(out).toMatch(/^accelerator +bare +yes /m);
    expect(out).toMatch(/^accelerator +kvm +no +\S+/m);
    expect(out).toMatch(/^memory +1 to 3584 MiB/m);
  });

  it('tells the capability MSRs of VMX, and what they allow bit by bit', async () => {
    const { out } = await rootmode('capabilities', '--vmx');
    expect(out).toMatch(/^0x480 IA32_VMX_BASIC = 0x00d8100052\w+ {2}revision .*, regions of 4096 bytes, write-back, .*TRUE/m);
    // Bit 7 of the primary controls, HLT exiting, is free; bit 31 of CR0, paging, must be 1; CR4 has VMX.
    expect(out).toMatch(/IA32_VMX_TRUE_PROCBASED_CTLS .*\n +procControls: .*\n( +\d+ .*\n)* +7 0\/1 {2}hlt\n/);
    expect(out).toMatch(/IA32_VMX_CR0_FIXED0 .*\n +guestCr0, hostCr0: .*\n( +\d+ .*\n)* +31 1 {4}PG\n/);
    const { msrs } = JSON.parse((await rootmode('capabilities', '--vmx', '--json')).out) as {
      msrs: { index: string; allowed?: { ones: string; may: string } }[];
    };
    expect(msrs.map(({ index }) => Number(index))).toEqual(Array.from({ length: 18 }, (_, at) => 0x480 + at));
    for (const { allowed } of msrs) if (allowed) expect(BigInt(allowed.ones) & ~BigInt(allowed.may)).toBe(0n);
  });
});

describe('a refusal', () => {
  const run = (...words: string[]): string[] => ['run', '--kernel', 'image', ...words];
  it.each<[string, string[], RegExp]>([
    ['no command', [], /A command is missing; `rootmode --help`/],
    ['an unknown command', ['frob'], /no command "frob"/],
    ['an unknown option', ['run', '--bogus'], /'--bogus'; `rootmode run --help`/],
    ['an option that is not of this command', ['regs', '--kernel', 'x', 'a'], /'--kernel'/],
    ['an option without its value', ['run', '--kernel'], /--kernel <file>' argument missing/],
    ['a word too many', run('extra'), /Too many arguments for 'run': expected 0 arguments but got 1: extra;/],
    ['firmware that is missing', ['run', '--firmware', 'none'], /There is no firmware at none; check the path\./],
    ['firmware beside a kernel', run('--firmware', 'image'), /--firmware cannot be image: it starts a machine without --kernel/],
    ['an initrd without a kernel', ['run', '--initrd', 'image'], /--initrd cannot be image: it belongs to a kernel/],
    [
      'a boot order of nothing known',
      ['run', '--boot', 'order=tape'],
      /--boot cannot be order=tape: it must be order=KIND\+KIND/,
    ],
    ['a missing kernel', ['run', '--kernel', 'none'], /There is no kernel at none; check the path\./],
    ['a kernel that is a folder', ['run', '--kernel', '.'], /The kernel \. cannot be read \(it is a folder\)/],
    ['a missing initrd', run('--initrd', 'none'), /There is no initrd at none/],
    [
      'a kernel larger than the memory',
      ['run', '--kernel', 'huge', '--memory', '16'],
      /kernel of 4294967296 bytes .* name a smaller file/,
    ],
    ['too little memory', run('--memory', '0'), /--memory cannot be 0: it must be between 1 \(MiB\) and 3584/],
    ['too much memory', run('--memory', '3585'), /--memory cannot be 3585/],
    ['memory that is no number', run('--memory', 'much'), /--memory cannot be much: it must be a number of MiB/],
    ['half a page', run('--memory', '1025K'), /--memory cannot be 1025K: it must be whole pages/],
    ['no vCPU', run('--cpus', '0'), /--cpus cannot be 0: it must be a whole number between 1 and 16/],
    ['a processor nobody made', run('--cpu', 'z80'), /--cpu cannot be z80: it must be x86-64-v2, qemu64 or x86-64-v2-vmx/],
    ['an accelerator not offered', run('--accel', 'kvm'), /--accel cannot be kvm: .*rootmode capabilities/],
    ['a name that leaves its folder', run('--name', '../x'), /--name cannot be \.\.\/x/],
    ['an empty name', run('--name', ''), /--name cannot be empty: it must be 1 to 48/],
    [
      'a serial port to nowhere',
      run('--serial', 'tcp:1'),
      /--serial cannot be tcp:1: it must be stdio, console, none or file:PATH/,
    ],
    ['a serial file in no folder', run('--serial', 'file:no/where'), /serial file no\/where cannot be written/],
    ['a command line too long', run('--append', 'x'.repeat(3000)), /--append cannot be x+\.\.\.: it must be at most 2047/],
    ['control characters', run('--cpu', '\u001b[2J'), /--cpu cannot be \\u001b\[2J/],
    ['a machine that is not running', ['regs', 'nobody'], /No machine named nobody is running; start one with/],
    ['a machine name that is a path', ['regs', '../../etc/passwd'], /NAME cannot be \.\.\/\.\.\/etc\/passwd/],
    ['nothing to watch', ['stat'], /No machine is running; start one with/],
    ['nothing to watch for long', ['stat', '1', '3'], /No machine is running; start one with/],
    ['counters of nobody', ['stat', '--kstat', 'nobody'], /No machine named nobody is running/],
    ['an interval that is none', ['stat', '0'], /INTERVAL cannot be 0: it must be a number above 0/],
    ['a count that is none', ['stat', '1', 'x'], /COUNT cannot be x: it must be a number above 0/],
    ['a VMCS of nobody', ['vmcs', 'nobody'], /No machine named nobody is running/],
    ['a VMCS of no vCPU', ['vmcs', 'nobody', '--vcpu', '-1'], /--vcpu cannot be -1: it must be the number of a vCPU/],
    ['a trace of nobody', ['trace'], /No machine is running; start one with/],
    ['a walk to nowhere', ['walk', 'nobody', '0x'], /ADDRESS cannot be 0x: it must be a number of at most 64 bits/],
    ['a walk too far', ['walk', '0x10000000000000000'], /ADDRESS cannot be 0x10000000000000000/],
    ['two walks', ['walk', 'a', '1', '2'], /ADDRESS cannot be a 1 2: it is one address after at most one name/],
    ['a walk of nobody', ['walk', 'nobody', '0xffffffff81000000'], /No machine named nobody is running/],
  ])('of %s is one sentence, status 2, and nothing left behind', async (_what, words, sentence) => {
    const { status, out, err } = await rootmode(...words);
    expect(err).toMatch(sentence);
    expect(err).toMatch(/^rootmode: [^\n]+\.\n$/);
    expect(status).toBe(2);
    expect(out).toBe('');
    expect(readdirSync(runtime)).toEqual([]);
    expect(readdirSync(folder).sort()).toEqual(['huge', 'image', 'runtime']);
  });

  it.runIf(process.getuid?.() === 0)('of a socket of another user names it and its owner', async () => {
    mkdirSync(join(runtime, 'rootmode'), { mode: 0o700 });
    const path = join(runtime, 'rootmode', 'other.sock');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    lchownSync(path, 65534, 65534);
    const { status, err } = await rootmode('regs', 'other');
    expect(err).toBe(`rootmode: The socket ${path} belongs to the user with id 65534; run the command as that user.\n`);
    expect(status).toBe(2);
    expect(existsSync(path)).toBe(true);
    server.close();
    rmSync(join(runtime, 'rootmode'), { recursive: true });
  });

  it('of a runtime directory that others can enter says so', async () => {
    mkdirSync(join(runtime, 'rootmode'));
    chmodSync(join(runtime, 'rootmode'), 0o777);
    const { status, err } = await rootmode('run', '--kernel', 'image', '--serial', 'none');
    expect(err).toMatch(/runtime directory .* can be entered by other users; set XDG_RUNTIME_DIR/);
    expect(status).toBe(2);
    rmSync(join(runtime, 'rootmode'), { recursive: true });
  });
});
