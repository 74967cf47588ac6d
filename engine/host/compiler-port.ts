/** The two ends between threads that run guests and one that compiles for them. Messages go one way each; the side that runs polls. */
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';

/** What a thread is started with to be one of the ends. The port is moved into it. */
export interface PortEnd {
  readonly port: MessagePort;
  /** Counts messages to the end that polls; then a word that is 1 once the other end was sent one. */
  readonly count: SharedArrayBuffer;
}

const COUNT = 0;
const ASKED = 1;

export function createPortPair(): readonly [polling: PortEnd, listening: PortEnd] {
  const { port1, port2 } = new MessageChannel();
  const count = new SharedArrayBuffer(8);
  return [
    { port: port1, count },
    { port: port2, count },
  ];
}

/** Resolves once the polling end of this listening one has sent something. */
export async function askedFirst({ count }: PortEnd): Promise<void> {
  await Atomics.waitAsync(new Int32Array(count), ASKED, 0).value;
}

/** The end of a thread that never waits for messages. */
export function pollingEnd<Out, In>({ port, count }: PortEnd): { post(message: Out): void; receive(): In | undefined } {
  const word = new Int32Array(count);
  let taken = 0;
  return {
    post(message) {
      port.postMessage(message);
      if (word[ASKED] === 1) return;
      Atomics.store(word, ASKED, 1);
      Atomics.notify(word, ASKED);
    },
    receive() {
      if (word[COUNT] === taken) return undefined;
      const received = receiveMessageOnPort(port);
      if (received === undefined) return undefined;
      taken = (taken + 1) | 0;
      return received.message as In;
    },
  };
}

/** The end of a thread that waits for messages: `serve` is called when some have come and takes them. */
export function listeningEnd<Out, In>(
  { port, count }: PortEnd,
  create: (end: { take(most: number): In[]; answer(message: Out): void }) => () => void,
): void {
  const word = new Int32Array(count);
  const waiting: In[] = [];
  const serve = create({
    take(most) {
      for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port))
        waiting.push(next.message);
      return waiting.splice(0, most);
    },
    answer(message) {
      port.postMessage(message);
      Atomics.add(word, COUNT, 1);
    },
  });
  let isDue = false;
  port.on('message', (message: In) => {
    waiting.push(message);
    if (isDue) return;
    isDue = true;
    // Those that came with it are taken with it.
    setImmediate(() => {
      isDue = false;
      serve();
    });
  });
}
