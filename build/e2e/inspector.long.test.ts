/** The inspector's timeline, memory, walk and debugger in the window, on a guest whose every step is known. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { assemble } from '../../engine/isa/assemble.ts';
import { codeAddress, multibootImage } from '../benches/loop-guest.ts';
import { windowForEach } from './each-window.ts';
import type { Bench } from './session.ts';
import { keepScreen } from './window-session.ts';

/** Pages of 4 KiB for the first 2 MiB, the one at 0x9000 absent; then CPUID and a port write, round after round, slowly. */
const SOURCE = `bits 32
  mov esp, 0x180000
  mov dword [0x200000], 0x201007
  mov edi, 0x201000
  mov eax, 3
fill:
  mov dword [edi], eax
  add edi, 4
  add eax, 0x1000
  cmp edi, 0x202000
  jne fill
  mov dword [0x201024], 0
  mov dword [0x200004], 0x400083
  mov eax, cr4
  or eax, 0x10
  mov cr4, eax
  mov eax, 0x200000
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80000001
  mov cr0, eax
round:
  mov esi, 0x2000
pause_:
  dec esi
  jnz pause_
  xor eax, eax
  cpuid
  call service
after:
  nop
  jmp round
service:
  mov al, 0x55
  out 0x80, al
  ret
`;
const { bytes, labels } = assemble(SOURCE, { code: 32, origin: BigInt(codeAddress) });
const address = (label: string, digits = 16): string => `0x${(labels.get(label) as bigint).toString(16).padStart(digits, '0')}`;

let bench: Bench;
let page: Page;

windowForEach({ viewport: { width: 1360, height: 860 } }, async (opened) => {
  ({ bench, page } = opened);
  const image = join(bench.runtime, 'known.bin');
  writeFileSync(image, multibootImage(bytes));
  await bench.run('create', 'known', '--kernel', image, '--memory', '16');
  await bench.run('start', 'known');
  await page.evaluate("location.hash = '#/machine/known/inspector'");
  await page.getByText('guestRip', { exact: true }).waitFor({ timeout: 20_000 });
});

/** The machine may be slow. */
const soon = <T>(look: () => T) => expect.poll(look, { timeout: 15_000 });
const tab = (name: string) => page.locator('.dv-tab', { hasText: name });
const codeLine = () => page.locator('.line.ip');

it('zooms the timeline, selects a part of it, and shows the VMCS of the exit that is clicked', async () => {
  await page.keyboard.press('Control+3');
  await page.getByRole('button', { name: 'Record' }).click();
  const exits = async (): Promise<number> =>
    Number(/^([\d,]+)/.exec((await page.getByText(/^[\d,]+ exits/).textContent()) ?? '')?.[1]?.replaceAll(',', ''));
  await soon(exits).toBeGreaterThan(300);
  await page.getByRole('button', { name: 'Stop recording' }).click();
  // What was under way comes yet.
  await page.waitForTimeout(2000);
  const total = await exits();
  const canvas = page.locator('.timeline canvas');
  const span = async (): Promise<string> => (await canvas.getAttribute('aria-label')) ?? '';
  const whole = await span();
  const box = (await canvas.boundingBox()) as { x: number; y: number; width: number; height: number };
  const at = (share: number): [number, number] => [box.x + 80 + share * (box.width - 80), box.y + box.height / 2];

  await page.mouse.move(...at(0.4));
  await page.mouse.down();
  await page.mouse.move(...at(0.5));
  await page.mouse.move(...at(0.6));
  await page.mouse.up();
  await page
    .getByText(/selected/i)
    .first()
    .waitFor();
  const counted = async (): Promise<number> => {
    const chips = await page.locator('.legend .chip strong').allTextContents();
    return chips.reduce((sum, chip) => sum + Number(chip.replaceAll(',', '')), 0);
  };
  const part = await counted();
  expect(part).toBeGreaterThan(0);
  expect(part).toBeLessThan(total);
  // Table and histogram are of that part.
  expect(Number(await page.locator('.exits[role="grid"]').getAttribute('aria-rowcount'))).toBe(part + 1);
  const bars = await page.locator('.histogram .num').allTextContents();
  const sum = bars.reduce((all, one) => all + Number(one.replaceAll(',', '')), 0);
  expect(Math.abs(sum - part)).toBeLessThanOrEqual(1);
  await keepScreen(page, 'timeline');

  await page.getByRole('button', { name: 'Zoom to selection' }).click();
  expect(await span()).not.toBe(whole);
  await canvas.focus();
  await page.keyboard.press('+');
  const closer = await span();
  await page.keyboard.press('ArrowRight');
  expect(await span()).not.toBe(closer);
  await page.mouse.move(...at(0.5));
  await page.mouse.wheel(0, -300);
  await page.keyboard.press('Home');
  expect(await span()).toBe(whole);

  await page.mouse.click(...at(0.5));
  await soon(() => page.getByText('as its VMCS was then').isVisible()).toBe(true);
  const chosen = page.locator('.exits .row[aria-selected="true"]');
  const reason = (await chosen.locator('[role="gridcell"]').nth(3).textContent())?.trim() ?? '';
  const rip = (await chosen.locator('[role="gridcell"]').nth(4).textContent())?.trim() ?? '';
  await soon(() => page.locator('tr', { hasText: 'exitReason' }).first().textContent()).toContain(reason);
  expect(['CPUID', 'IO_INSTRUCTION']).toContain(reason);
  expect(await page.locator('tr', { hasText: 'guestRip' }).first().textContent()).toContain(rip);
}, 90_000);

it('filters, pins, copies and keeps fields of the VMCS, by keys as well', async () => {
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  const filter = page.getByPlaceholder('Field, encoding, value, bit…');
  await filter.fill('eptp');
  const row = page.locator('tr.of-field', { hasText: 'eptPointer' });
  await row.focus();
  await page.keyboard.press('c');
  await soon(() => page.evaluate<string>('navigator.clipboard.readText()')).toMatch(/^eptPointer 0x201a = 0x[0-9a-f]{16} \(/);
  await row.focus();
  await page.keyboard.press('p');
  await filter.fill('');
  expect(
    await page
      .locator('tr')
      .filter({ hasText: /^eptPointer/ })
      .count(),
  ).toBe(1);
  await soon(() => page.locator('tr.of-area', { hasText: 'Pinned' }).textContent()).toContain('4');
  await page.getByRole('button', { name: 'Keep', exact: true }).click();
  await page.getByRole('checkbox', { name: 'Changed only' }).check();
  await soon(() => page.getByLabel('against').locator('option').count()).toBeGreaterThan(1);
  await page.getByLabel('against').selectOption({ index: 1 });
  // What moves while the guest goes round is its registers and its exits, never the page tables of the hypervisor.
  await soon(() => page.locator('tr.of-field.changed').count()).toBeGreaterThan(0);
  expect(await page.locator('tr.of-field.changed', { hasText: 'eptPointer' }).count()).toBe(0);
}, 60_000);

it('stops at code, steps into, over and out, runs to the cursor, and changes registers and memory', async () => {
  await page.keyboard.press('Control+2');
  await page.keyboard.press('Shift+F5');
  await codeLine().waitFor();
  const goTo = async (to: string): Promise<void> => {
    await page
      .locator('.panel', { has: page.getByRole('button', { name: 'Follow RIP' }) })
      .getByRole('textbox')
      .fill(to);
    await page.keyboard.press('Enter');
    await page.locator('.line', { hasText: to }).first().waitFor();
  };
  await goTo(address('round'));
  const call = page.locator('.line', { hasText: 'call' }).first();
  await call.click();
  await page.keyboard.press('F9');
  await soon(() => page.locator('.line.stop').count()).toBe(1);
  await page.keyboard.press('F5');
  await soon(() => codeLine().textContent()).toContain('call');
  await page.keyboard.press('F11');
  await soon(() => codeLine().textContent()).toContain(address('service'));
  await page.keyboard.press('Shift+F11');
  await soon(() => codeLine().textContent()).toContain(address('after'));
  await page.keyboard.press('F5');
  await soon(() => codeLine().textContent()).toContain('call');
  await page.keyboard.press('F10');
  await soon(() => codeLine().textContent()).toContain(address('after'));
  await page.locator('.line', { hasText: 'out' }).first().click();
  await page.keyboard.press('Control+F10');
  await soon(() => codeLine().textContent()).toMatch(/out|call/);

  // Registers of the groups that are closed at first.
  for (const [group, name, value] of [
    ['SSE', 'xmm5', '0x00112233445566778899aabbccddeeff'],
    ['Control', 'cr2', '0x0000000012345000'],
    ['Model-specific', '0x175', '0x0000000000001234'],
  ] as const) {
    const details = page.locator('.registers-panel details', { hasText: group }).first();
    if ((await details.getAttribute('open')) === null) await details.locator('summary').click();
    const one = page.locator('.registers-panel dl div').filter({ has: page.locator('dt', { hasText: new RegExp(`^${name}$`) }) });
    await one.locator('button').click();
    await page.locator('.registers-panel .editor').fill(value);
    await page.keyboard.press('Enter');
    await soon(() => one.textContent()).toContain(value);
  }
  await keepScreen(page, 'register-groups');

  // Memory: the same byte by its three addresses.
  await page.keyboard.press('Control+4');
  const memory = page.locator('.panel.memory');
  const look = async (space: string, at: string): Promise<void> => {
    await memory.getByLabel('Kind of address').selectOption(space);
    await memory.getByLabel('Address', { exact: true }).fill(at);
    await page.keyboard.press('Enter');
    await soon(() => memory.locator('.row').first().textContent()).toContain(at.slice(2).padStart(16, '0'));
  };
  // A page that the guest itself has used, so that the hypervisor maps it.
  await look('gva', '0x17f000');
  await memory.locator('.byte').first().click();
  await page.keyboard.type('4d617279');
  await soon(() => memory.locator('.row').first().textContent()).toContain('Mary');
  await page.keyboard.press('Escape');
  await look('gpa', '0x17f000');
  await soon(() => memory.locator('.row').first().textContent()).toContain('Mary');
  await memory.getByRole('searchbox').fill('"Mary"');
  await page.keyboard.press('Enter');
  await memory.getByText('1 found').first().waitFor();
  const { hpa } = JSON.parse((await bench.run('walk', 'known', '0x17f000', '--json')).out) as { hpa: string };
  await look('hpa', `0x${BigInt(hpa).toString(16)}`);
  await soon(() => memory.locator('.row').first().textContent()).toContain('Mary');

  // The way of an address, to its end and to the level that faults.
  await tab('Address walk').click();
  const way = page.locator('.way');
  await page.locator('[data-goto]').fill('0x17f000');
  await page.keyboard.press('Enter');
  await soon(() => way.locator('.result').count()).toBe(2);
  await page.locator('[data-goto]').fill('0x9000');
  await page.keyboard.press('Enter');
  await soon(() => way.locator('li.fault').first().textContent()).toContain('PTE');
  await keepScreen(page, 'walk-fault');
}, 120_000);
