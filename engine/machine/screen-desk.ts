/** What the main thread asks the I/O thread about the screen and the keyboard. */
import { EngineError } from '../base/index.ts';
import { type ScreenAnswer, type ScreenQuestion, unpackFailure } from './messages.ts';

export interface ScreenDeskOptions {
  readonly name: string;
  /** How long an answer may take, in milliseconds. */
  readonly patience: number;
  /** Calls back once after so many milliseconds, unless the function it returns is called before. */
  after(milliseconds: number, callback: () => void): () => void;
  post(serial: number, question: ScreenQuestion): void;
}

/** The asking side. */
export class ScreenDesk {
  readonly #options: ScreenDeskOptions;
  readonly #open = new Map<number, { answer: PromiseWithResolvers<ScreenAnswer>; cancel(): void }>();
  #serial = 0;
  #closed = false;

  constructor(options: ScreenDeskOptions) {
    this.#options = options;
  }

  /** Rejects with `machine-not-answering`, `connection-closed`, or what the answer says. */
  async ask<K extends ScreenQuestion['kind']>(
    question: Extract<ScreenQuestion, { readonly kind: K }>,
  ): Promise<Extract<ScreenAnswer, { readonly kind: K }>> {
    const { name, patience, after, post } = this.#options;
    if (this.#closed) throw new EngineError('connection-closed', { name });
    const serial = ++this.#serial;
    const answer = Promise.withResolvers<ScreenAnswer>();
    const cancel = after(patience, () => {
      this.#open.delete(serial);
      answer.reject(new EngineError('machine-not-answering', { name, seconds: patience / 1000 }));
    });
    this.#open.set(serial, { answer, cancel });
    post(serial, question);
    const given = await answer.promise;
    if (given.kind === 'failed') throw unpackFailure(given.failure);
    return given as Extract<ScreenAnswer, { readonly kind: K }>;
  }

  /** Answers nobody waits for any more are dropped. */
  answered(serial: number, answer: ScreenAnswer): void {
    const open = this.#open.get(serial);
    this.#open.delete(serial);
    open?.cancel();
    open?.answer.resolve(answer);
  }

  /** Nobody will answer any more. */
  close(): void {
    this.#closed = true;
    for (const { answer, cancel } of this.#open.values()) {
      cancel();
      answer.reject(new EngineError('connection-closed', { name: this.#options.name }));
    }
    this.#open.clear();
  }
}
