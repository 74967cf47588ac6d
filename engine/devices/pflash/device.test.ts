import { expect, it } from 'vitest';
import type { DriveLine, DriveRequest, DriveResult } from '../drive.ts';
import { deviceBench, deviceContract } from '../testing/contract.ts';
import { patternDrive } from '../testing/drives.ts';
import { type FlashCells, pflash } from './device.ts';
import { BLOCK, Command, Status, WINDOW } from './spec.ts';

const SIZE = 4 * BLOCK;
const START = WINDOW - 2 ** 20;

function chip() {
  const bytes = new Uint8Array(SIZE).fill(0xff);
  const shown: boolean[] = [];
  const requests: DriveRequest[] = [];
  let listener: (result: DriveResult) => void = () => undefined;
  const cells: FlashCells = { bytes: () => bytes, used: () => false, start: () => START, show: (array) => shown.push(array) };
  const line: DriveLine = {
    ...patternDrive('disk', SIZE),
    submit: (request) => requests.push({ ...request, buffers: Uint8Array.from(request.buffers as Uint8Array) }),
    onDone: (then) => {
      listener = then;
    },
  };
  return { bytes, shown, requests, done: (result: DriveResult) => listener(result), needs: () => ({ cells, lines: [line] }) };
}

deviceContract(pflash, {
  needs: () => ({
    cells: { bytes: () => new Uint8Array(0), used: () => false, start: () => 0, show: () => undefined },
    lines: [patternDrive('disk', SIZE)],
  }),
  disturb: (bench) => bench.write(START, Command.ReadStatus, 1, 'window'),
});

const bench = () => {
  const parts = chip();
  const { device, read, write } = deviceBench(pflash, { needs: parts.needs });
  return {
    ...parts,
    device,
    get: (at: number) => read(START + at, 1, 'window'),
    put: (at: number, value: number) => write(START + at, value, 1, 'window'),
  };
};

it('programs zeros, erases a block to ones, and is ready', () => {
  const { bytes, put, get } = bench();
  for (const value of [0xf0, 0x3c]) {
    put(5, Command.Program);
    put(5, value);
  }
  expect([bytes[5], get(5)]).toEqual([0x30, Status.Ready]);
  put(BLOCK, Command.ProgramToo);
  put(BLOCK, 0);
  put(9, Command.Erase);
  put(9, Command.EraseConfirm);
  put(0, Command.ReadArray);
  expect([get(5), get(BLOCK)]).toEqual([0xff, 0]);
});

it('is shown as memory only while it reads as the array', () => {
  const { shown, put, get } = bench();
  shown.length = 0;
  put(0, Command.ReadIdentifier);
  expect([get(0), get(1), shown]).toEqual([0x89, 0x1d, [false]]);
  put(0, Command.ReadArray);
  expect(shown).toEqual([false, true]);
});

it('says when an erase was not confirmed, until that is cleared', () => {
  const { bytes, put, get } = bench();
  bytes[0] = 7;
  put(0, Command.Erase);
  put(0, Command.ReadArray);
  expect([get(0), bytes[0]]).toEqual([Status.Ready | Status.EraseError | Status.ProgramError, 7]);
  put(0, Command.ClearStatus);
  expect(get(0)).toBe(7);
  put(0, Command.ReadStatus);
  expect(get(0)).toBe(0);
});

it('writes what changed to its drive in whole sectors, one request at a time, and again what failed', () => {
  const { requests, done, put } = bench();
  const program = (at: number) => {
    put(at, Command.Program);
    put(at, 1);
  };
  program(600);
  program(700);
  program(BLOCK);
  expect(requests).toMatchObject([{ op: 'write', offset: 512, bytes: 512, durable: true }]);
  done('done');
  expect(requests[1]).toMatchObject({ offset: 512, bytes: BLOCK });
  done('failed');
  expect(requests).toHaveLength(2);
  program(0);
  expect(requests[2]).toMatchObject({ offset: 0, bytes: BLOCK + 512 });
  expect(Array.from(requests[2]?.buffers as Uint8Array).slice(698, 702)).toEqual([0xff, 0xff, 1, 0xff]);
});

it('writes again after a restore what was under way', () => {
  const { requests, device, put } = bench();
  put(0, Command.Program);
  put(0, 0);
  device.restore(device.save());
  expect(requests).toHaveLength(2);
  expect(requests[1]).toEqual(requests[0]);
});
