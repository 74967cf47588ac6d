/** Pages whose code is written again and again. */

/**
 * A page whose regions were found to be of other code that often, while so many instructions were executed, is left to the interpreter until
 * they are over: a guest that patches its code cannot spend its time on compiling, and a page that is used by one process after the other is
 * not held to be one that is patched.
 */
const MOST = 16;
const WITHIN = 4_000_000_000n;

export class Rewrites {
  readonly #retired: () => bigint;
  /** Times regions of a host page were of code that stands there no longer, since an instruction. */
  readonly #noted = new Map<number, { times: number; readonly since: bigint }>();

  constructor(retired: () => bigint) {
    this.#retired = retired;
  }

  #recent(page: number): { times: number } | undefined {
    const noted = this.#noted.get(page);
    return noted !== undefined && this.#retired() - noted.since <= WITHIN ? noted : undefined;
  }

  note(page: number): void {
    const noted = this.#recent(page);
    if (noted === undefined) this.#noted.set(page, { times: 1, since: this.#retired() });
    else noted.times++;
  }

  isPatched(page: number): boolean {
    return (this.#recent(page)?.times ?? 0) >= MOST;
  }

  clear(): void {
    this.#noted.clear();
  }
}
