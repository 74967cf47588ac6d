import { expect, it } from 'vitest';
import type { DriveLine, DriveRequest, DriveResult } from '../drive.ts';
import { deviceBench, deviceContract } from '../testing/contract.ts';
import { biosDrive } from './device.ts';

function line() {
  const requests: DriveRequest[] = [];
  let cancelled = 0;
  let tell: (result: DriveResult) => void = () => undefined;
  const drive: DriveLine = {
    kind: 'disk',
    serial: 'x',
    medium: () => ({ present: true, bytes: 1 << 20, readonly: false }),
    changes: () => 1,
    submit: (request) => void requests.push(request),
    cancel: () => void cancelled++,
    onDone: (listener) => {
      tell = listener;
    },
    eject: () => undefined,
  };
  return { requests, cancelled: () => cancelled, done: (result: DriveResult) => tell(result), needs: () => ({ lines: [drive] }) };
}

deviceContract(biosDrive, {
  needs: () => line().needs(),
  disturb: (bench) => bench.device.api.start({ op: 'write', offset: 512, bytes: 4096, gpa: 0x8000 }),
});

it('asks for one request and keeps its result until the next', () => {
  const { requests, done, needs } = line();
  const { device } = deviceBench(biosDrive, { needs });
  expect(device.api.poll()).toBe('done');
  device.api.start({ op: 'read', offset: 1024, bytes: 512, gpa: 0x7c00 });
  expect([device.api.poll(), requests]).toEqual([
    'busy',
    [{ op: 'read', offset: 1024, bytes: 512, buffers: [{ gpa: 0x7c00, bytes: 512 }] }],
  ]);
  done('failed');
  expect([device.api.poll(), device.api.poll()]).toEqual(['failed', 'failed']);
});

it('issues a request in flight again after a restore, and gives up one that another replaces', () => {
  const { requests, cancelled, needs } = line();
  const { device } = deviceBench(biosDrive, { needs });
  device.api.start({ op: 'verify', offset: 0, bytes: 512, gpa: 0 });
  device.restore(device.save());
  expect([requests.length, requests[1]]).toEqual([2, { op: 'verify', offset: 0, bytes: 512, buffers: [] }]);
  const before = cancelled();
  device.api.start({ op: 'flush', offset: 0, bytes: 0, gpa: 0 });
  expect([cancelled() - before, requests.at(-1)]).toEqual([1, { op: 'flush', offset: 0, bytes: 0, buffers: [] }]);
});
