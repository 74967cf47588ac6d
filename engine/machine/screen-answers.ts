/** The I/O thread's answers about screen and keyboard. The screen is made when somebody first looks. */
import { EngineError } from '../base/index.ts';
import type { Screen } from '../board/display.ts';
import type { KeyFeeder } from './key-feeder.ts';
import { packFailure, type ScreenAnswer, type ScreenQuestion } from './messages.ts';

interface ScreenAnswersOptions {
  readonly machine: { createScreen(): Screen | undefined };
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
