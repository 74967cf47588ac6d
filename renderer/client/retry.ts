/** A process that was just started is there before it listens: ask again for a while before anybody is told. */
const RETRIES = 20;
const PAUSE_MILLISECONDS = 500;

/** `gone`: nobody waits any more; then nothing is asked, and the result is undefined. */
export async function untilHeard<T>(ask: () => Promise<T>, gone: () => boolean): Promise<T | undefined> {
  for (let retry = 0; !gone(); retry += 1) {
    try {
      return await ask();
    } catch (failure) {
      if (retry === RETRIES) throw failure;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLISECONDS));
    }
  }
  return undefined;
}
