/** The exit timeline on a canvas: a lane for each vCPU, a mark for each exit in the colour of its reason. */
import type { ExitLog } from './exit-log.ts';

/** What part of the log is shown, in nanoseconds of machine time. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface TimelineLook {
  readonly vcpus: number;
  readonly span: Span;
  /** Chosen part, if any. */
  readonly selection: Span | undefined;
  readonly colours: readonly string[];
  readonly text: string;
  readonly line: string;
  readonly ground: string;
  readonly accent: string;
}

const AXIS_HEIGHT = 20;
export const LABEL_WIDTH = 58;
const MINIMUM_SPAN = 1000;

/** Colours that are told apart in both themes, also by people who see no red and green; more reasons begin again. */
export const reasonColours = [
  ...['#3b82c4', '#d97706', '#0f9d74', '#c2417c', '#8b5cf6', '#64748b', '#b45309', '#0891b2'],
  ...['#dc2626', '#65a30d', '#7c3aed', '#be185d'],
] as const;
export const colourOf = (reason: number): string => reasonColours[reason % reasonColours.length] as string;

/** Zoom by a factor around a moment. */
export function zoomed({ from, to }: Span, around: number, factor: number): Span {
  const width = Math.max(MINIMUM_SPAN, (to - from) * factor);
  const share = to > from ? (around - from) / (to - from) : 0.5;
  return { from: around - share * width, to: around + (1 - share) * width };
}

/** A step of 1, 2 or 5 times a power of ten, so that about `count` of them fit. */
export function tickStep(width: number, count: number): number {
  const rough = width / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  return ([1, 2, 5, 10].find((factor) => factor * power >= rough) as number) * power;
}

export function drawTimeline(canvas: HTMLCanvasElement, log: ExitLog, look: TimelineLook): void {
  const { width, height } = canvas.getBoundingClientRect();
  const scale = devicePixelRatio;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const c = canvas.getContext('2d');
  if (c === null) return;
  c.setTransform(scale, 0, 0, scale, 0, 0);
  c.fillStyle = look.ground;
  c.fillRect(0, 0, width, height);
  const place = { left: LABEL_WIDTH, width: width - LABEL_WIDTH, height: height - AXIS_HEIGHT };
  const { from, to } = look.span;
  const x = (time: number): number => place.left + ((time - from) / (to - from)) * place.width;
  drawAxis(c, look, { ...place, x });
  const laneHeight = place.height / look.vcpus;
  drawMarks(c, log, { look, laneHeight, columns: Math.max(1, Math.round(place.width)), left: place.left });
  c.font = '11px system-ui, sans-serif';
  c.fillStyle = look.text;
  c.textAlign = 'left';
  for (let vcpu = 0; vcpu < look.vcpus; vcpu++) {
    c.fillText(`vCPU ${vcpu}`, 8, (vcpu + 0.5) * laneHeight + 4);
    c.fillStyle = look.line;
    c.fillRect(0, (vcpu + 1) * laneHeight - 0.5, width, 1);
    c.fillStyle = look.text;
  }
  if (look.selection !== undefined) {
    const [a, b] = [Math.max(place.left, x(look.selection.from)), Math.min(width, x(look.selection.to))];
    c.globalAlpha = 0.18;
    c.fillStyle = look.accent;
    c.fillRect(a, 0, Math.max(1, b - a), place.height);
    c.globalAlpha = 1;
    c.strokeStyle = look.accent;
    c.strokeRect(a + 0.5, 0.5, Math.max(1, b - a - 1), place.height - 1);
  }
}

interface AxisPlace {
  readonly left: number;
  readonly width: number;
  readonly height: number;
  x(time: number): number;
}

function drawAxis(c: CanvasRenderingContext2D, { span, text, line }: TimelineLook, { width, height, x }: AxisPlace): void {
  const step = tickStep(span.to - span.from, width / 110);
  const [unit, divisor] = step >= 1e8 ? ['s', 1e9] : step >= 1e5 ? ['ms', 1e6] : step >= 100 ? ['µs', 1e3] : ['ns', 1];
  c.font = '11px system-ui, sans-serif';
  c.textAlign = 'center';
  for (let time = Math.ceil(span.from / step) * step; time <= span.to; time += step) {
    const at = x(time);
    c.fillStyle = line;
    c.fillRect(at, 0, 1, height);
    c.fillStyle = text;
    c.fillText(`${+(time / divisor).toFixed(3)} ${unit}`, at, height + 14);
  }
}

/** Each column of pixels shows the reason that was met most in it, as high as it is full. */
function drawMarks(
  c: CanvasRenderingContext2D,
  log: ExitLog,
  { look, laneHeight, columns, left }: { look: TimelineLook; laneHeight: number; columns: number; left: number },
): void {
  const { span, vcpus } = look;
  const kinds = Math.max(1, log.reasons.length);
  const counts = new Uint32Array(columns * vcpus * kinds);
  const first = log.find(span.from);
  const end = log.find(span.to);
  const perNanosecond = columns / (span.to - span.from);
  for (let at = first; at < end; at++) {
    const column = Math.min(columns - 1, ((log.time(at) - span.from) * perNanosecond) | 0);
    const vcpu = log.vcpu(at);
    if (vcpu < vcpus) counts[(column * vcpus + vcpu) * kinds + log.reason(at)]! += 1;
  }
  let most = 1;
  for (let cell = 0; cell < columns * vcpus; cell++) {
    let sum = 0;
    for (let kind = 0; kind < kinds; kind++) sum += counts[cell * kinds + kind] as number;
    most = Math.max(most, sum);
  }
  const room = laneHeight - 6;
  for (let column = 0; column < columns; column++) {
    for (let vcpu = 0; vcpu < vcpus; vcpu++) {
      const cell = (column * vcpus + vcpu) * kinds;
      let sum = 0;
      for (let kind = 0; kind < kinds; kind++) sum += counts[cell + kind] as number;
      // By the logarithm: a single exit is seen, however full other columns are.
      const high = Math.max(2, (room * Math.log2(1 + sum)) / Math.log2(1 + most));
      let bottom = (vcpu + 1) * laneHeight - 2;
      for (let kind = 0; kind < kinds && sum > 0; kind++) {
        const part = (high * (counts[cell + kind] as number)) / sum;
        if (part === 0) continue;
        c.fillStyle = look.colours[kind % look.colours.length] as string;
        c.fillRect(left + column, bottom - part, 1, part);
        bottom -= part;
      }
    }
  }
}
