/** Slow routines that reach guest memory by physical address do so through the guest's own translation. */
import { expect, test } from 'vitest';
import { interpreterImage } from '../bare/testing/interpreter.ts';
import { bench } from '../conformance/bench.ts';
import { createSoftwareMachine, softwareCapabilities } from './index.ts';

const interpreter = interpreterImage();

test('FXSAVE writes the guest’s memory and nothing else', () => {
  const b = bench({
    capabilities: softwareCapabilities,
    create: (memory) => createSoftwareMachine({ memory, model: 'x86-64-v2', interpreter }),
  });
  const { memory } = b.machine;
  const at = 0x1_2000;
  const host = memory.u8.slice(at, at + 512);
  b.flat(`mov eax, cr4\n or eax, 0x200\n mov cr4, eax\n fninit\n fxsave [${at}]\n hlt`);
  expect(b.vcpu.run(100).reason).toBe('halt');
  expect(memory.dma.read32(at) & 0xffff).toBe(0x37f);
  expect(memory.u8.slice(at, at + 512)).toEqual(host);
});
