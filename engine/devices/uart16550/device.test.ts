import { describe, expect, it } from 'vitest';
import { deviceBench, deviceContract } from '../testing/contract.ts';
import { uart16550 } from './device.ts';
import { Fcr, Ier, Iir, Lsr, Mcr, Msr, Reg } from './spec.ts';

/** A port with a line whose bytes the test sees and feeds; what does not fit waits, as on the real line. */
function port() {
  const sent: number[] = [];
  const waiting: number[] = [];
  let listener: (byte: number) => void = () => undefined;
  let room = () => 0;
  const ready = () => {
    while (waiting.length > 0 && room() > 0) listener(waiting.shift() ?? 0);
  };
  const needs = () => ({
    line: {
      send: (byte: number) => sent.push(byte),
      onByte: (to: typeof listener, free: typeof room) => {
        listener = to;
        room = free;
      },
      ready,
    },
  });
  const bench = deviceBench(uart16550, { needs });
  const feed = (...bytes: number[]) => {
    waiting.push(...bytes);
    ready();
  };
  bench.write(Reg.Mcr, Mcr.Out2);
  return { ...bench, sent, waiting, feed };
}

deviceContract(uart16550, {
  disturb: (bench) => {
    bench.write(Reg.Ier, 0x0f);
    bench.write(Reg.IirFcr, 0xc1);
    bench.write(Reg.Mcr, Mcr.Loop | Mcr.Out2);
    for (const byte of [1, 2, 3]) bench.write(Reg.Data, byte);
  },
});

describe('transmitter', () => {
  it('gives bytes to the line and is empty at once', () => {
    const p = port();
    p.write(Reg.Data, 0x41);
    p.write(Reg.Data, 0x42);
    expect(p.sent).toEqual([0x41, 0x42]);
    expect(p.read(Reg.Lsr)).toBe(Lsr.TxEmpty | Lsr.AllEmpty);
  });

  it('raises an edge for every byte, and identification clears it', () => {
    const p = port();
    p.write(Reg.Ier, Ier.TxEmpty);
    expect(p.lines.intr).toBe(true); // enabling it while empty
    expect(p.read(Reg.IirFcr)).toBe(Iir.TxEmpty);
    expect(p.lines.intr).toBe(false);
    const before = p.edges.intr ?? 0;
    p.write(Reg.Data, 1);
    p.write(Reg.Data, 2);
    expect((p.edges.intr ?? 0) - before).toBe(2);
  });

  it('says so again when the interrupt is switched off and on', () => {
    const p = port();
    p.write(Reg.Ier, Ier.TxEmpty);
    p.read(Reg.IirFcr);
    p.write(Reg.Ier, 0);
    p.write(Reg.Ier, Ier.TxEmpty);
    expect(p.read(Reg.IirFcr)).toBe(Iir.TxEmpty);
  });
});

describe('receiver', () => {
  it('without FIFO holds one byte, and the line keeps the rest', () => {
    const p = port();
    p.write(Reg.Ier, Ier.RxReady);
    p.feed(1, 2);
    expect(p.waiting).toEqual([2]);
    expect([p.lines.intr, p.read(Reg.IirFcr)]).toEqual([true, Iir.RxReady]);
    expect([p.read(Reg.Data), p.read(Reg.Data)]).toEqual([1, 2]);
    expect(p.lines.intr).toBe(false);
    expect(p.read(Reg.Lsr) & Lsr.DataReady).toBe(0);
  });

  it('with FIFO raises at the trigger level, or after four characters of silence', () => {
    const p = port();
    p.write(Reg.Ier, Ier.RxReady);
    p.write(Reg.IirFcr, Fcr.Enable | 0x40); // level 4
    p.feed(1, 2, 3);
    expect(p.lines.intr).toBe(false);
    p.feed(4);
    expect(p.read(Reg.IirFcr)).toBe(Iir.RxReady | Iir.FifosOn);
    p.read(Reg.Data);
    expect(p.lines.intr).toBe(false);
    p.advance(4e6); // 9600 baud, 7 bits per frame at power-on: about 0.73 ms a character
    expect(p.read(Reg.IirFcr)).toBe(Iir.Timeout | Iir.FifosOn);
    p.read(Reg.Data);
    expect(p.lines.intr).toBe(false);
  });

  it('takes no more than sixteen bytes', () => {
    const p = port();
    p.write(Reg.IirFcr, Fcr.Enable);
    p.feed(...Array.from({ length: 20 }, (_, i) => i));
    expect(p.waiting.length).toBe(4);
    p.write(Reg.IirFcr, Fcr.Enable | Fcr.ClearRx);
    expect(p.read(Reg.Data)).toBe(16);
  });
});

describe('loop-back', () => {
  it('brings bytes back, reports an overrun and keeps them from the line', () => {
    const p = port();
    p.write(Reg.Mcr, Mcr.Loop | Mcr.Out2);
    p.write(Reg.Ier, Ier.LineStatus);
    p.write(Reg.Data, 0x55);
    p.write(Reg.Data, 0xaa);
    expect(p.sent).toEqual([]);
    expect(p.read(Reg.IirFcr)).toBe(Iir.LineStatus);
    expect(p.read(Reg.Lsr) & (Lsr.Overrun | Lsr.DataReady)).toBe(Lsr.Overrun | Lsr.DataReady);
    expect(p.read(Reg.Lsr) & Lsr.Overrun).toBe(0);
    expect(p.read(Reg.Data)).toBe(0xaa);
  });

  it.each([
    [Mcr.Rts, Msr.Cts],
    [Mcr.Dtr, Msr.Dsr],
    [Mcr.Out1, Msr.Ri],
    [Mcr.Out2, Msr.Dcd],
  ])('connects modem output %i to input %i', (output, input) => {
    const p = port();
    p.write(Reg.Mcr, Mcr.Loop);
    p.read(Reg.Msr);
    p.write(Reg.Mcr, Mcr.Loop | output);
    expect(p.read(Reg.Msr) & 0xf0).toBe(input);
  });

  it('tells of changed inputs once', () => {
    const p = port();
    p.write(Reg.Ier, Ier.ModemStatus);
    p.write(Reg.Mcr, Mcr.Loop | Mcr.Out2); // CTS and DSR fall away
    expect([p.lines.intr, p.read(Reg.IirFcr)]).toEqual([true, Iir.ModemStatus]);
    expect(p.read(Reg.Msr) & 0x0f).toBe(Msr.DeltaCts | Msr.DeltaDsr);
    expect([p.lines.intr, p.read(Reg.Msr) & 0x0f]).toEqual([false, 0]);
  });
});

it('keeps interrupts in while OUT2 is off', () => {
  const p = port();
  p.write(Reg.Mcr, 0);
  p.write(Reg.Ier, Ier.TxEmpty);
  expect([p.lines.intr, p.read(Reg.IirFcr)]).toEqual([false, Iir.TxEmpty]);
});

it('has scratch and divisor where the data sheet says', () => {
  const p = port();
  p.write(Reg.Scr, 0x5a);
  p.write(Reg.Lcr, 0x83);
  p.write(0, 0x34);
  p.write(1, 0x12);
  expect([p.read(0), p.read(1), p.read(Reg.Lcr)]).toEqual([0x34, 0x12, 0x83]);
  p.write(Reg.Lcr, 0x03);
  expect([p.read(Reg.Scr), p.read(Reg.Ier)]).toEqual([0x5a, 0]);
});
