import { expect, it } from 'vitest';
import { SerialConsole } from './serial-console.ts';

it('keeps what the guest wrote last for those who come later', () => {
  const serial = new SerialConsole();
  for (let i = 0; i < 300; i++) serial.feed(new Uint8Array(1024).fill(i));
  const history = serial.history();
  expect(history.length).toBe(256 * 1024);
  expect(history.at(-1)).toBe(299 & 0xff);
  expect(history[0]).toBe(44);
});

it('tells listeners what comes, until they leave', () => {
  const serial = new SerialConsole();
  const heard: string[] = [];
  const leave = serial.listen((bytes) => heard.push(Buffer.from(bytes).toString()));
  serial.feed(Buffer.from('a'));
  leave();
  serial.feed(Buffer.from('b'));
  expect(heard).toEqual(['a']);
  expect(Buffer.from(serial.history()).toString()).toBe('ab');
});
