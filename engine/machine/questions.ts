/** What the main thread asks a vCPU while it runs, answered between two instructions. */
import { EngineError } from '../base/index.ts';
import { type Answer, type AnswerTo, type Question, unpackFailure } from './messages.ts';

export interface QuestionsOptions {
  readonly name: string;
  readonly vcpus: number;
  /** How long a vCPU may take, in milliseconds. */
  readonly patience: number;
  /** Calls back once after so many milliseconds, unless the function it returns is called before. */
  after(milliseconds: number, callback: () => void): () => void;
  /** Put a question before a vCPU and make it look; the serial number comes back with the answer. */
  put(vcpu: number, serial: number, question: Question): void;
}

interface Open {
  /** Equal for questions that one answer serves; absent: none does. */
  readonly key: string | undefined;
  readonly question: Question;
  readonly answer: PromiseWithResolvers<Answer>;
}

/** The asking side. A vCPU has one question at a time; the same question asked again meanwhile is the same question. */
export class Questions {
  readonly #o: QuestionsOptions;
  readonly #queues = new Map<number, Open[]>();
  #serial = 0;
  #closed = false;
  #asked = new Map<number, number>();
  #cancel = new Map<number, () => void>();

  constructor(options: QuestionsOptions) {
    this.#o = options;
  }

  /** Rejects with `vcpu-unknown` or `machine-not-answering`, or with what the vCPU refuses it for. */
  ask<K extends Question['kind']>(vcpu: number, question: Extract<Question, { readonly kind: K }>): Promise<AnswerTo<K>> {
    const { vcpus } = this.#o;
    if (!(vcpu >= 0 && vcpu < vcpus)) return Promise.reject(new EngineError('vcpu-unknown', { vcpu, vcpus }));
    if (this.#closed) return Promise.reject(new EngineError('connection-closed', { name: this.#o.name }));
    const queue = this.#queues.get(vcpu) ?? [];
    this.#queues.set(vcpu, queue);
    const key = keyOf(question);
    const known = key === undefined ? undefined : queue.find((open) => open.key === key);
    if (known !== undefined) return known.answer.promise as Promise<AnswerTo<K>>;
    const open: Open = { key, question, answer: Promise.withResolvers<Answer>() };
    open.answer.promise.catch(() => undefined);
    if (queue.push(open) === 1) this.#put(vcpu, open);
    return open.answer.promise as Promise<AnswerTo<K>>;
  }

  /** A vCPU answered. Answers nobody waits for any more are dropped. */
  answered(vcpu: number, serial: number, answer: Answer): void {
    if (this.#asked.get(vcpu) !== serial) return;
    const open = this.#done(vcpu);
    if (answer.kind === 'failed') open?.answer.reject(unpackFailure(answer.failure));
    else open?.answer.resolve(answer);
  }

  /** Nobody will answer any more. */
  close(): void {
    this.#closed = true;
    const failure = new EngineError('connection-closed', { name: this.#o.name });
    for (const cancel of this.#cancel.values()) cancel();
    for (const queue of this.#queues.values()) for (const { answer } of queue.splice(0)) answer.reject(failure);
  }

  #put(vcpu: number, { question }: Open): void {
    const { name, patience } = this.#o;
    this.#serial = (this.#serial + 1) & 0x7fffffff;
    const serial = this.#serial;
    this.#asked.set(vcpu, serial);
    const late = (): void => {
      this.#done(vcpu)?.answer.reject(new EngineError('machine-not-answering', { name, seconds: patience / 1000 }));
    };
    this.#cancel.set(vcpu, this.#o.after(patience, late));
    this.#o.put(vcpu, serial, question);
  }

  /** The question before a vCPU is over; the next one follows. */
  #done(vcpu: number): Open | undefined {
    this.#cancel.get(vcpu)?.();
    this.#cancel.delete(vcpu);
    this.#asked.delete(vcpu);
    const queue = this.#queues.get(vcpu) ?? [];
    const open = queue.shift();
    const [next] = queue;
    if (next !== undefined) this.#put(vcpu, next);
    return open;
  }
}

function keyOf(question: Question): string | undefined {
  if (question.kind === 'walk') return `walk ${question.gva}`;
  return ['registers', 'vmcs', 'entry-checks'].includes(question.kind) ? question.kind : undefined;
}
