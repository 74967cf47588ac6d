/** The machine's screen for several who look at it, on the I/O thread: each gets what has changed since it was served last. */
import type { Rectangle, Screen, ScreenText } from '../board/display.ts';
import { ScreenPacker, screenCredit } from '../contract/screen-record.ts';

/** Between two looks at the screen while it changes or somebody types, and while nothing happens, in milliseconds. */
const LIVELY = 1000 / 60;
const QUIET = 50;
/** How long after a change the screen counts as changing. */
const STILL = 1000;
/** Apart from each other, that many rectangles; more become one. */
const MOST_RECTANGLES = 32;

export interface ScreenFeedParts {
  readonly screen: Screen;
  /** Host time in milliseconds. */
  now(): number;
  /** Resolves after so many milliseconds, or earlier when `nudge` was called. */
  pause(milliseconds: number): Promise<void>;
  post(stream: number, record: Uint8Array<ArrayBuffer>): void;
}

interface Viewer {
  pending: Rectangle[];
  /** The size it knows. */
  width: number;
  height: number;
  sent: number;
  shown: number;
}

export class ScreenFeed {
  readonly #p: ScreenFeedParts;
  readonly #viewers = new Map<number, Viewer>();
  readonly #packer = new ScreenPacker();
  #running = false;
  #livelyUntil = 0;
  #closed = false;

  constructor(parts: ScreenFeedParts) {
    this.#p = parts;
  }

  /** The picture as it is now; what changed is owed to all viewers. */
  picture(): ReturnType<Screen['update']>['picture'] {
    const { picture, changed } = this.#p.screen.update();
    if (changed.length > 0) {
      this.#livelyUntil = this.#p.now() + STILL;
      for (const viewer of this.#viewers.values()) owe(viewer, changed);
    }
    return picture;
  }

  text(): ScreenText | undefined {
    return this.#p.screen.text();
  }

  open(stream: number): void {
    this.#viewers.set(stream, { pending: [], width: 0, height: 0, sent: 0, shown: 0 });
    this.lively();
    if (!this.#running) void this.#run();
  }

  close(stream: number): void {
    this.#viewers.delete(stream);
  }

  /** Hostile: a serial that was not sent confirms nothing. */
  shown(stream: number, serial: number): void {
    const viewer = this.#viewers.get(stream);
    if (viewer === undefined || serial > viewer.sent) return;
    viewer.shown = Math.max(viewer.shown, serial);
  }

  /** Somebody typed or moved: the answer is to be seen soon. */
  lively(): void {
    this.#livelyUntil = this.#p.now() + STILL;
  }

  end(): void {
    this.#closed = true;
  }

  async #run(): Promise<void> {
    this.#running = true;
    let due = this.#p.now();
    while (this.#viewers.size > 0 && !this.#closed) {
      this.#serve();
      const now = this.#p.now();
      const interval = now < this.#livelyUntil ? LIVELY : QUIET;
      // In step, unless that was missed.
      due = due + interval > now ? due + interval : now + interval / 4;
      await this.#p.pause(Math.max(1, due - now));
    }
    this.#running = false;
  }

  #serve(): void {
    const ready = [...this.#viewers].filter(([, viewer]) => viewer.sent - viewer.shown < screenCredit);
    if (ready.length === 0) return;
    const picture = this.picture();
    const { width, height } = picture;
    for (const [stream, viewer] of ready) {
      if (viewer.width !== width || viewer.height !== height) viewer.pending = [{ x: 0, y: 0, width, height }];
      if (viewer.pending.length === 0) continue;
      const rectangles = viewer.pending;
      Object.assign(viewer, { pending: [], width, height, sent: viewer.sent + 1 });
      this.#p.post(stream, this.#packer.pack({ stream, serial: viewer.sent, width, height, rectangles }, picture));
    }
  }
}

/** Add rectangles to those a viewer is owed; what overlaps, or is too much, becomes one. */
function owe(viewer: Viewer, changed: readonly Rectangle[]): void {
  if (viewer.pending.length === 0) {
    viewer.pending = [...changed];
    return;
  }
  for (const one of changed) {
    let grown = one;
    const apart: Rectangle[] = [];
    for (const other of viewer.pending) {
      if (overlap(grown, other)) grown = around(grown, other);
      else apart.push(other);
    }
    viewer.pending = [...apart, grown];
  }
  if (viewer.pending.length > MOST_RECTANGLES) viewer.pending = [viewer.pending.reduce(around)];
}

function overlap(a: Rectangle, b: Rectangle): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

function around(a: Rectangle, b: Rectangle): Rectangle {
  const x = Math.min(a.x, b.x);
  const y = Math.min(a.y, b.y);
  return { x, y, width: Math.max(a.x + a.width, b.x + b.width) - x, height: Math.max(a.y + a.height, b.y + b.height) - y };
}
