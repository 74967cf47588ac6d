/** The I/O thread's answers about the board: screen, keyboard, devices. The screen is made when somebody first looks. */
import { EngineError } from '../base/index.ts';
import type { Screen } from '../board/display.ts';
import type { Move } from '../board/keyboard.ts';
import type { PciReport } from '../board/pci-report.ts';
import type { InterruptReport } from '../hypervisor/index.ts';
import type { KeyFeeder } from './key-feeder.ts';
import { type DeviceReport, packFailure, type ScreenAnswer, type ScreenQuestion } from './messages.ts';
import { createPointer, type FedPointer } from './pointer.ts';
import { ScreenFeed, type ScreenFeedParts } from './screen-feed.ts';

/** What the answers are made of. Every function takes the machine lock itself. */
export interface ShownBoard {
  /** The machine's screen, which this thread alone looks at; undefined without a display adapter. */
  createScreen(): Screen | undefined;
  devices(): readonly DeviceReport[];
  interrupts(): InterruptReport;
  pci(): PciReport;
  readonly pointer: FedPointer;
}

interface ScreenAnswersOptions extends Omit<ScreenFeedParts, 'screen'> {
  readonly machine: ShownBoard;
  readonly keys: KeyFeeder;
  readonly name: string;
}

export interface ScreenAnswers {
  answer(question: ScreenQuestion): ScreenAnswer;
  /** The person's mouse, counts right and up; positions for a guest that takes those. What nobody hears is dropped. */
  move(move: Move): void;
  /** The screen's feed, once somebody has looked. */
  readonly feed: ScreenFeed | undefined;
}

export function createScreenAnswers({ machine, keys, name, ...feedParts }: ScreenAnswersOptions): ScreenAnswers {
  let made: ScreenFeed | undefined;
  const feed = (): ScreenFeed => {
    if (made !== undefined) return made;
    const screen = machine.createScreen();
    if (screen === undefined) throw new EngineError('screen-missing', { name });
    made = new ScreenFeed({ ...feedParts, screen });
    return made;
  };
  const point = createPointer({ name, pointer: machine.pointer, size: () => feed().picture() });
  const answer = (question: ScreenQuestion): ScreenAnswer => {
    switch (question.kind) {
      case 'picture': {
        const { width, height, pixels } = feed().picture();
        return { kind: 'picture', picture: { width, height, pixels: pixels.slice() } };
      }
      case 'text':
        return { kind: 'text', text: feed().text() };
      case 'devices':
        return { kind: 'devices', devices: machine.devices() };
      case 'interrupts':
        return { kind: 'interrupts', report: machine.interrupts() };
      case 'pci':
        return { kind: 'pci', functions: machine.pci() };
      case 'view':
        feed().open(question.stream);
        return { kind: 'view' };
      case 'keys':
        made?.lively();
        keys.push(question.strokes);
        return { kind: 'keys' };
      case 'pointer':
        return { kind: 'pointer', ...point(question.action) };
    }
  };
  return {
    get feed() {
      return made;
    },
    move: ({ x, y, wheel, buttons }) => {
      if (machine.pointer.takesPositions()) point({ move: { kind: 'by', x, y: -y }, wheel, buttons });
      else machine.pointer.move({ x, y, wheel, buttons });
    },
    answer: (question) => {
      try {
        return answer(question);
      } catch (failure) {
        return { kind: 'failed', failure: packFailure(failure) };
      }
    },
  };
}
