/** The I/O thread's answers about the board: screen, keyboard, devices. The screen is made when somebody first looks. */
import { EngineError } from '../base/index.ts';
import type { Screen } from '../board/display.ts';
import type { PciReport } from '../board/pci-report.ts';
import type { InterruptReport } from '../hypervisor/index.ts';
import type { KeyFeeder } from './key-feeder.ts';
import { type DeviceReport, packFailure, type ScreenAnswer, type ScreenQuestion } from './messages.ts';

/** What the answers are made of. Every function takes the machine lock itself. */
export interface ShownBoard {
  /** The machine's screen, which this thread alone looks at; undefined without a display adapter. */
  createScreen(): Screen | undefined;
  devices(): readonly DeviceReport[];
  interrupts(): InterruptReport;
  pci(): PciReport;
}

interface ScreenAnswersOptions {
  readonly machine: ShownBoard;
  readonly keys: KeyFeeder;
  readonly name: string;
}

export function createScreenAnswers({ machine, keys, name }: ScreenAnswersOptions): (question: ScreenQuestion) => ScreenAnswer {
  let made: Screen | undefined;
  const screen = (): Screen => {
    made ??= machine.createScreen();
    if (made === undefined) throw new EngineError('screen-missing', { name });
    return made;
  };
  const answer = (question: ScreenQuestion): ScreenAnswer => {
    switch (question.kind) {
      case 'picture': {
        const { width, height, pixels } = screen().update().picture;
        return { kind: 'picture', picture: { width, height, pixels: pixels.slice() } };
      }
      case 'text':
        return { kind: 'text', text: screen().text() };
      case 'devices':
        return { kind: 'devices', devices: machine.devices() };
      case 'interrupts':
        return { kind: 'interrupts', report: machine.interrupts() };
      case 'pci':
        return { kind: 'pci', functions: machine.pci() };
      case 'keys':
        keys.push(question.strokes);
        return { kind: 'keys' };
    }
  };
  return (question) => {
    try {
      return answer(question);
    } catch (failure) {
      return { kind: 'failed', failure: packFailure(failure) };
    }
  };
}
