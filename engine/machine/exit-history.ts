/** The VMCS of each exit that was recorded, on the main thread: bounded, oldest first to go, until the next recording begins. */
import { applyImage, type ExitImage, type ExitImageReader, imageHead } from '../hypervisor/index.ts';

/** Most words that are kept of all vCPUs together: 32 MiB. */
const MAXIMUM_WORDS = 8 << 20;

/** Records that begin with a whole image. */
interface Piece {
  readonly vcpu: number;
  readonly words: Int32Array;
  readonly first: number;
  readonly last: number;
}

export class ExitHistory {
  readonly #maximum: number;
  #pieces: Piece[] = [];
  #length = 0;
  /** Of each vCPU, what has come since its last whole image. */
  readonly #open = new Map<number, Int32Array[]>();

  constructor(maximumWords = MAXIMUM_WORDS) {
    this.#maximum = maximumWords;
  }

  clear(): void {
    this.#pieces = [];
    this.#length = 0;
    this.#open.clear();
  }

  take(vcpu: number, reader: ExitImageReader): void {
    const { words, lost } = reader.read();
    if (lost) this.#close(vcpu);
    let open = this.#open.get(vcpu);
    let from = 0;
    for (let at = 0; at < words.length; ) {
      const { end, whole } = imageHead(words, at);
      if (whole) {
        if (at > from) open?.push(words.slice(from, at));
        this.#close(vcpu);
        open = [];
        this.#open.set(vcpu, open);
        from = at;
      }
      at = end;
    }
    if (words.length > from) open?.push(words.slice(from));
    while (this.#length > this.#maximum) this.#length -= this.#pieces.shift()?.words.length ?? this.#length;
  }

  /** The image of the exit of this vCPU at this moment; undefined when it was not recorded or is forgotten. */
  find(vcpu: number, time: number, words: number): ExitImage | undefined {
    this.#close(vcpu, true);
    const piece = this.#pieces.find((one) => one.vcpu === vcpu && one.first <= time && time <= one.last);
    if (piece === undefined) return undefined;
    const image = new Uint32Array(words);
    for (let at = 0; at < piece.words.length; ) {
      const head = imageHead(piece.words, at);
      applyImage(piece.words, at, image);
      if (head.time === time) return image;
      at = head.end;
    }
    return undefined;
  }

  /** What is open of a vCPU becomes a piece; `goesOn`: more of it may come. */
  #close(vcpu: number, goesOn = false): void {
    const open = this.#open.get(vcpu);
    if (open === undefined || open.length === 0) return;
    const length = open.reduce((sum, { length: one }) => sum + one, 0);
    const words = new Int32Array(length);
    let at = 0;
    for (const one of open) {
      words.set(one, at);
      at += one.length;
    }
    let last = 0;
    for (let record = 0; record < words.length; record = imageHead(words, record).end) last = imageHead(words, record).time;
    const piece: Piece = { vcpu, words, first: imageHead(words, 0).time, last };
    // The same piece, longer: it stands last among this vCPU's.
    const before = this.#pieces.findIndex((one) => one.vcpu === vcpu && one.first === piece.first);
    if (before >= 0) {
      this.#length += length - (this.#pieces[before] as Piece).words.length;
      this.#pieces[before] = piece;
    } else {
      this.#pieces.push(piece);
      this.#length += length;
    }
    if (goesOn) this.#open.set(vcpu, [words]);
    else this.#open.delete(vcpu);
  }
}
