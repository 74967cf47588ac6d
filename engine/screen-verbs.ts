/** The verbs of the command line for the screen, the keyboard and the power of a running machine. Part of the composition root cli.ts. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, createClient } from './contract/client.ts';
import { engineCommands } from './contract/commands.ts';
import { EngineError } from './contract/errors.ts';
import { firstProblem, printable } from './contract/problem-text.ts';
import { MachineName } from './contract/settings.ts';
import { checkOutputFile } from './host/streams.ts';
import { connectEngine } from './servers/engine-connection.ts';
import { writePicture } from './servers/screenshot-at.ts';

type Engine = Client<typeof engineCommands>;

export async function withMachine<T>(name: string, body: (engine: Engine) => Promise<T>): Promise<T> {
  const parsed = MachineName.safeParse(name);
  if (!parsed.success) {
    throw new EngineError('setting-invalid', { setting: 'NAME', value: printable(name), reason: firstProblem(parsed.error) });
  }
  const connection = await connectEngine(parsed.data);
  try {
    return await body(createClient(engineCommands, connection));
  } finally {
    connection.close();
  }
}

export async function screenshot(name: string, file: string): Promise<string> {
  checkOutputFile(file, 'picture');
  const { width, height, png } = await withMachine(name, (engine) => engine.machineScreenshot({}));
  writePicture(file, Buffer.from(png, 'base64'));
  return `${file}: ${width}x${height}\n`;
}

/** The screen's lines, blanks at their ends and empty lines at the end left out. */
export async function screenText(name: string): Promise<string> {
  const { lines } = await withMachine(name, (engine) => engine.machineScreenText({}));
  const text = lines
    .map((line) => line.trimEnd())
    .join('\n')
    .trimEnd();
  return `${text}\n`;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', e: '\u001b', '\\': '\\' };

export async function type(name: string, text: string): Promise<string> {
  const meant = text.replace(/\\([nte\\])/g, (_all, letter: string) => ESCAPES[letter] ?? letter);
  await withMachine(name, (engine) => engine.machineType({ text: meant }));
  return '';
}

export async function key(name: string, chords: readonly string[]): Promise<string> {
  await withMachine(name, async (engine) => {
    for (const keys of chords) await engine.machineKey({ keys });
  });
  return '';
}

const BUTTONS = ['left', 'right', 'middle'] as const;
/** Between press and release, in milliseconds: what a quick finger takes. */
const PRESSED = 60;

function coordinate(word: string | undefined): number {
  if (word !== undefined && /^-?\d{1,5}$/.test(word)) return Number(word);
  throw new EngineError('setting-invalid', { setting: 'ACTION', value: printable(word ?? ''), reason: 'must be a whole number' });
}

/** `to X Y`, `by X Y`, `wheel N`, `click`, `press` and `release` with a button, one after the other. */
export async function pointer(name: string, words: readonly string[]): Promise<string> {
  await withMachine(name, async (engine) => {
    for (let i = 0; i < words.length; i++) {
      const verb = words[i] as string;
      const button = (): (typeof BUTTONS)[number] => {
        const named = BUTTONS.find((one) => one === words[i + 1]);
        if (named) i += 1;
        return named ?? 'left';
      };
      if (verb === 'to' || verb === 'by') {
        await engine.machinePointer({ move: { kind: verb, x: coordinate(words[++i]), y: coordinate(words[++i]) } });
      } else if (verb === 'wheel') await engine.machinePointer({ wheel: coordinate(words[++i]) });
      else if (verb === 'press') await engine.machinePointer({ buttons: [button()] });
      else if (verb === 'release') await engine.machinePointer({ buttons: [] });
      else if (verb === 'click') {
        await engine.machinePointer({ buttons: [button()] });
        await sleep(PRESSED);
        await engine.machinePointer({ buttons: [] });
      } else {
        const reason = 'must be to X Y, by X Y, wheel N, click, press or release';
        throw new EngineError('setting-invalid', { setting: 'ACTION', value: printable(verb), reason });
      }
    }
  });
  return '';
}

export async function power(name: string, what: string): Promise<string> {
  const verbs: Readonly<Record<string, (engine: Engine) => Promise<unknown>>> = {
    button: (engine) => engine.machinePowerButton({}),
    sleep: (engine) => engine.machineSleepButton({}),
    reset: (engine) => engine.machineReset({}),
    off: (engine) => engine.machineQuit({}),
  };
  const verb = Object.hasOwn(verbs, what) ? verbs[what] : undefined;
  if (verb === undefined) {
    const reason = 'must be button, sleep, reset or off';
    throw new EngineError('setting-invalid', { setting: 'WHAT', value: printable(what), reason });
  }
  await withMachine(name, verb);
  return '';
}
