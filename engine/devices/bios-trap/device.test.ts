import { expect, it } from 'vitest';
import { deviceBench, deviceContract } from '../testing/contract.ts';
import { biosTrap } from './device.ts';
import { Offset, PCI_CALL } from './spec.ts';

const make = () => {
  const frames: number[] = [];
  const services = {
    call: (frame: number) => void frames.push(frame),
    pciCall: (registers: Uint32Array) => void registers.reverse(),
  };
  return { frames, needs: () => ({ services }) };
};

deviceContract(biosTrap, { needs: make().needs, disturb: (bench) => bench.write(Offset.Register, 0x12345678, 4) });

it('calls a service with the address that 32 bits name, and with nothing narrower', () => {
  const { frames, needs } = make();
  const d = deviceBench(biosTrap, { needs });
  d.write(Offset.Frame, 0x9fffe, 4);
  d.write(Offset.Frame, 0x1234, 2);
  expect(frames).toEqual([0x9fffe]);
});

it('passes six registers to a 32-bit call and gives them back', () => {
  const d = deviceBench(biosTrap, { needs: make().needs });
  for (let i = 1; i <= 6; i++) d.write(Offset.Register, i, 4);
  d.write(Offset.Call, PCI_CALL);
  expect(Array.from({ length: 6 }, () => d.read(Offset.Register, 4))).toEqual([6, 5, 4, 3, 2, 1]);
});
