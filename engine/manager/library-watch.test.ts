import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { watchLibrary } from './library-watch.ts';

let listed: string[] = [];
let runs: { name: string; pid: number }[] = [];
const library = {
  root: tmpdir(),
  running: () => runs,
  takeListed: () => listed.splice(0),
};
let unwatch: () => void;
const tell = vi.fn();
// The folder is watched for changes, which this test makes none of.
vi.mock('node:fs', () => ({ watch: () => ({ on: () => undefined, close: () => undefined }) }));

beforeEach(() => {
  vi.useFakeTimers();
  [listed, runs] = [[], []];
  tell.mockClear();
  unwatch = watchLibrary(library, tell);
});
afterEach(() => {
  unwatch();
  vi.useRealTimers();
});

it('tells of processes that start and end', () => {
  vi.advanceTimersByTime(2500);
  expect(tell).not.toHaveBeenCalled();
  runs = [{ name: 'one', pid: 7 }];
  vi.advanceTimersByTime(1100);
  expect(tell).toHaveBeenCalledTimes(1);
  runs = [];
  vi.advanceTimersByTime(1100);
  expect(tell).toHaveBeenCalledTimes(2);
});

it('tells once of a process that was listed, and ended before anybody looked', () => {
  vi.advanceTimersByTime(1100);
  listed = ['one:7'];
  vi.advanceTimersByTime(3300);
  expect(tell).toHaveBeenCalledTimes(1);
});
