import { expect, it } from 'vitest';
import { createObservation } from '../hypervisor/index.ts';
import { createMachineMemory } from '../memory/index.ts';
import { ExitHistory } from './exit-history.ts';

const WORDS = 300;
const LENGTH = WORDS + 1;

/** A writer over a region of counting words, and the history that listens to it. */
function make(maximumWords?: number) {
  const memory = createMachineMemory({ ramBytes: 2 ** 20, vcpus: 2, arenaBytes: 8 * 2 ** 20, hostNow: () => 0 });
  const { images } = createObservation(memory);
  const regions = [0, 1].map((vcpu) => memory.arena.take(`region${vcpu}`, 4 * WORDS, 4096));
  images.source = { words: Array.from({ length: WORDS }, (_, i) => i), region: (vcpu) => regions[vcpu] as number };
  const history = new ExitHistory(maximumWords);
  const word = (vcpu: number, at: number) => ((regions[vcpu] as number) >>> 2) + at;
  return {
    images,
    history,
    readers: [0, 1].map((vcpu) => images.reader(vcpu)),
    /** An exit at `time` whose word 7 is the time, and whose word `at` becomes `value`. */
    exit: (vcpu: number, time: number, [at, value]: readonly [number, number] = [0, 0]) => {
      memory.u32[word(vcpu, at)] = value;
      memory.u32[word(vcpu, 7)] = time;
      images.write(vcpu, time);
    },
    at: (vcpu: number, time: number) => {
      const image = history.find(vcpu, time, LENGTH);
      return image && [image[7], image[9], image[LENGTH - 1] === regions[vcpu]];
    },
  };
}
type Made = ReturnType<typeof make>;
const take = ({ history, readers }: Made): void => {
  for (const [vcpu, reader] of readers.entries()) history.take(vcpu, reader);
};

it('gives back every exit as it was, of each vCPU, from the middle of a recording too', () => {
  const made = make();
  made.images.record(true);
  for (let time = 1; time <= 600; time++) {
    made.exit(time % 3 === 0 ? 1 : 0, time, [9, Math.floor(time / 10)]);
    if (time % 50 === 0) take(made);
    if (time === 450) expect(made.at(1, 450)).toEqual([450, 45, true]);
  }
  for (let time = 1; time <= 600; time++) {
    const vcpu = time % 3 === 0 ? 1 : 0;
    expect(made.at(vcpu, time)).toEqual([time, Math.floor(time / 10), true]);
    expect(made.at(1 - vcpu, time)).toBeUndefined();
  }
});

it('writes nothing while nobody records, and begins anew with each recording', () => {
  const made = make();
  made.exit(0, 1, [9, 5]);
  take(made);
  expect(made.at(0, 1)).toBeUndefined();
  made.images.record(true);
  made.exit(0, 2);
  made.images.record(false);
  made.exit(0, 3, [9, 6]);
  made.images.record(true);
  made.exit(0, 4);
  take(made);
  expect([2, 3, 4].map((time) => made.at(0, time))).toEqual([[2, 5, true], undefined, [4, 6, true]]);
});

it('goes on with a whole image where records were overwritten before they were read', () => {
  const made = make();
  made.images.record(true);
  const all = 20_000;
  // Every word changes: the ring comes round many times.
  for (let time = 1; time <= all; time++) for (let at = 8; at < 12; at++) made.exit(0, 4 * time + at - 8, [at, time]);
  take(made);
  made.exit(0, 10 * all);
  take(made);
  expect(made.at(0, 40)).toBeUndefined();
  expect(made.at(0, 4 * all + 3)).toEqual([4 * all + 3, all, true]);
  expect(made.at(0, 10 * all)).toEqual([10 * all, all, true]);
});

it('forgets the oldest first when there are too many', () => {
  const made = make(8000);
  made.images.record(true);
  for (let time = 1; time <= 5000; time++) {
    made.exit(0, time, [9, time]);
    if (time % 100 === 0) take(made);
  }
  expect(made.at(0, 10)).toBeUndefined();
  expect(made.at(0, 4999)).toEqual([4999, 4999, true]);
});
