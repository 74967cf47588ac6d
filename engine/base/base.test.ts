import { expect, test } from 'vitest';
import {
  assertNever,
  ByteRing,
  CLOCK_BYTES,
  DEADLINES_BYTES,
  Deadlines,
  Disposables,
  EngineError,
  high32,
  join64,
  Lock,
  low32,
  MachineClock,
  ringBytes,
} from './index.ts';

test('an error carries code, data and one sentence with the remedy', () => {
  const error = new EngineError('vcpu-unknown', { vcpu: 4, vcpus: 2 });
  expect(error.code).toBe('vcpu-unknown');
  expect(error.data.vcpu).toBe(4);
  expect(error.message).toBe('There is no vCPU 4; this machine has 2, numbered from 0.');
});

test('halves of 64 bits', () => {
  expect(join64(0xffffffff, -1)).toBe(0xffff_ffff_ffff_ffffn);
  expect([high32(-1n), low32(-1n)]).toEqual([0xffffffff, 0xffffffff]);
  expect(() => assertNever('x' as never)).toThrow('unexpected case');
});

test('disposables go last first, and a failing one keeps none', () => {
  const order: number[] = [];
  const all = new Disposables();
  for (const n of [1, 2, 3]) {
    all.add({
      dispose: () => {
        order.push(n);
        if (n === 2) throw new Error('two');
      },
    });
  }
  expect(() => all.dispose()).toThrow('two');
  all.add({ dispose: () => order.push(4) });
  expect(order).toEqual([3, 2, 1, 4]);
});

test('a lock is taken once', () => {
  const words = new Int32Array(new SharedArrayBuffer(8));
  const [mine, theirs] = [new Lock(words, 1), new Lock(words, 1)];
  mine.acquire();
  expect([theirs.tryAcquire(), mine.held, theirs.held]).toEqual([false, true, false]);
  expect(() => mine.acquire()).toThrow('twice');
  expect(() => theirs.release()).toThrow('holder');
  mine.release();
  expect(theirs.run(() => theirs.held)).toBe(true);
});

test('a ring keeps order around its end and drops nothing it accepted', () => {
  const buffer = new SharedArrayBuffer(ringBytes(8));
  const [producer, consumer] = [new ByteRing(buffer, 0, 8), new ByteRing(buffer, 0, 8)];
  for (let round = 0; round < 5; round++) {
    expect(producer.write(Uint8Array.of(1, 2, 3, 4, 5))).toBe(5);
    expect(producer.write(Uint8Array.of(6, 7, 8, 9, 10))).toBe(3);
    expect(producer.push(0)).toBe(false);
    expect([...consumer.read(100)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  }
  expect(consumer.waitForBytes(0)).toBe(false);
  new Int32Array(buffer)[0] = 0x7fffffff;
  expect(consumer.read(100).length).toBe(8);
});

function timing() {
  const host = { ns: 1000 };
  const buffer = new SharedArrayBuffer(CLOCK_BYTES + DEADLINES_BYTES);
  const clock = new MachineClock(buffer, 0, () => host.ns);
  return { host, buffer, clock, deadlines: new Deadlines(buffer, CLOCK_BYTES, clock) };
}

test('the clock stands while stopped, scales, and bears a host clock that goes back', () => {
  const { host, clock } = timing();
  expect([clock.now(), clock.running]).toEqual([0, false]);
  host.ns += 500;
  clock.start();
  host.ns += 100;
  expect(clock.now()).toBe(100);
  clock.stop();
  host.ns += 1e9;
  expect(clock.now()).toBe(100);
  clock.start(0.5);
  host.ns += 100;
  expect(clock.now()).toBe(150);
  expect(clock.hostUntil(200)).toBe(100);
  host.ns = 0;
  expect(clock.now()).toBe(0);
  clock.set(5);
  expect(clock.hostUntil(10)).toBe(Number.POSITIVE_INFINITY);
});

test('deadlines fire in order, with the time asked for, once', () => {
  const { host, clock, deadlines, buffer } = timing();
  const fired: string[] = [];
  const a = deadlines.timer((due) => fired.push(`a${due}`));
  const b = deadlines.timer((due) => {
    fired.push(`b${due}`);
    if (due < 60) b.at(due + 10);
  });
  const never = deadlines.timer(() => fired.push('never'));
  clock.start();
  a.at(55);
  b.at(40);
  never.at(20);
  never.cancel();
  const elsewhere = new Deadlines(buffer, CLOCK_BYTES, clock);
  elsewhere.timer(() => fired.push('other a'));
  elsewhere.timer(() => fired.push('other b'));
  expect(elsewhere.next()).toBe(40);
  host.ns += 57;
  expect(deadlines.serve(clock.now())).toBe(3);
  expect(fired).toEqual(['b40', 'b50', 'a55']);
  expect([b.deadline, a.deadline]).toEqual([60, Number.POSITIVE_INFINITY]);
  host.ns += 10;
  expect(elsewhere.serve(clock.now())).toBe(1);
  expect(fired.at(-1)).toBe('other b');
  expect(deadlines.serve(clock.now())).toBe(0);
});

test('a timer that keeps arming the past does not hold its thread', () => {
  const { deadlines } = timing();
  const again = deadlines.timer(() => again.at(0));
  again.at(0);
  expect(deadlines.serve(1)).toBeGreaterThan(100);
  expect(again.deadline).toBe(0);
});
