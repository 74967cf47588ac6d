/** FERR# from the processor to where the board takes it (SDM vol. 1, 8.7): what only a back end with a processor of its own has. */
import { expect, test } from 'vitest';
import { bench } from '../conformance/bench.ts';
import { bareCapabilities, createBareMachine } from './index.ts';
import { interpreterImage } from './testing/interpreter.ts';

const interpreter = interpreterImage();

function guest(text: string, cr0 = 0x10n, id = 0): number {
  const b = bench({
    capabilities: bareCapabilities,
    create: (memory) => createBareMachine({ memory, model: 'x86-64-v2', interpreter }),
  });
  let errors = 0;
  b.machine.irqchip.ferr = () => {
    expect(b.machine.memory.lock.held).toBe(true);
    expect(b.machine.requests.running(id)).toBe(false);
    errors++;
  };
  b.isr(16, 'fnclex\n iret');
  b.real(`fninit\n mov word [0x500], 0x37b\n fldcw word [0x500]\n ${text}\n hlt`, id);
  const vcpu = b.vcpuAt(id);
  vcpu.set('sregs', { ...vcpu.get('sregs'), cr0 });
  expect(vcpu.run(1000).reason).toBe('halt');
  return errors;
}

/** 1 / 0 with that exception unmasked, and then instructions that find it pending. */
const DIVIDE = 'fldz\n fld1\n fdiv st0, st1';

test.each([
  ['an error is reported when it happens', DIVIDE, 1],
  ['and not again by instructions that find it', `${DIVIDE}\n fwait\n fldz\n fwait\n fnsave [0x600]`, 1],
  ['a new one after it was cleared is', `${DIVIDE}\n fnclex\n ${DIVIDE}\n fninit`, 2],
  ['one that FLDENV brings is', `${DIVIDE}\n fnstenv [0x600]\n fnclex\n fldenv [0x600]\n fwait\n fwait`, 2],
  ['no error, no report', 'fldz\n fld1\n fadd st0, st1\n fwait', 0],
])('%s', (_name, text, errors) => {
  expect(guest(text)).toBe(errors);
});

test('with CR0.NE the processor raises #MF and reports nothing', () => {
  expect(guest(`${DIVIDE}\n fwait`, 0x30n)).toBe(0);
});

test('FERR# of other processors is not connected', () => {
  expect(guest(DIVIDE, 0x10n, 1)).toBe(0);
});
