/** What a device needs from outside, by name and type. `unconnected` is the port with nothing on its other side. */
export interface Port<T> {
  readonly name: string;
  unconnected(): T;
}

export function definePort<T>(name: string, unconnected: () => T): Port<T> {
  return { name, unconnected };
}

/**
 * A serial line as a device sees it: bytes out, bytes in. Bytes from outside wait on the line while the device has no room, so nothing
 * typed is lost to a slow guest. All of it runs on any thread of the machine, under the machine lock.
 */
export interface ByteLine {
  send(byte: number): void;
  /** Called once, by the device, when it is made. `listener` gets each byte from outside, never more than `room()` says it can take. */
  onByte(listener: (byte: number) => void, room: () => number): void;
  /** The device has room again (the guest has read): what waits on the line is delivered now, before this returns. */
  ready(): void;
}

export const byteLine = definePort<ByteLine>('byte-line', () => ({
  send: () => undefined,
  onByte: () => undefined,
  ready: () => undefined,
}));
