/** The commands about screen, keyboard and sleep button, carried out. */
import { fileURLToPath } from 'node:url';
import { EngineError } from '../contract/errors.ts';
import {
  machineInput,
  machineKey,
  machinePointer,
  machineScreenshot,
  machineScreenText,
  machineSleepButton,
  machineType,
} from '../contract/screen-commands.ts';
import { screenShown, screenStream } from '../contract/screen-stream.ts';
import { type Served, serve } from '../contract/serve.ts';
import type { MachineSettings } from '../contract/settings.ts';
import { readRegularFile } from '../host/files.ts';
import { encodePng } from '../host/png.ts';
import type { Coordinator } from '../machine/coordinator.ts';
import { type KeyLayout, knownStrokes, strokesOfKeys, strokesOfText } from '../machine/keymap.ts';

interface ScreenContext {
  readonly settings: MachineSettings;
  running(): Coordinator;
}

export function serveScreen({ settings, running }: ScreenContext): Served<undefined>[] {
  const { name } = settings;
  let layout: KeyLayout | undefined;
  /** Read when the first key is pressed. */
  const keys = (): KeyLayout => {
    layout ??= readLayout(settings.keyboardLayout);
    return layout;
  };
  return [
    serve(machineScreenshot, async () => {
      const { picture } = await running().screen.ask({ kind: 'picture' });
      return { width: picture.width, height: picture.height, png: Buffer.from(encodePng(picture)).toString('base64') };
    }),
    serve(machineScreenText, async () => {
      const { text } = await running().screen.ask({ kind: 'text' });
      if (text === undefined) throw new EngineError('screen-graphics', { name });
      const { columns, lines, cursor } = text;
      return { columns, lines: [...lines], ...(cursor && { cursor }) };
    }),
    serve(machineType, async ({ text }) => {
      await running().screen.ask({ kind: 'keys', strokes: strokesOfText(text, keys()) });
      return {};
    }),
    serve(machineKey, async ({ keys: names }) => {
      await running().screen.ask({ kind: 'keys', strokes: strokesOfKeys(names, keys()) });
      return {};
    }),
    // The stream itself is the connection's.
    serve(screenStream, async () => {
      await running().screen.ask({ kind: 'text' });
      return {};
    }),
    serve(screenShown, ({ stream, serial }) => {
      running().screenShown(stream, serial);
      return {};
    }),
    serve(machineInput, ({ keys: strokes, pointer }) => {
      // The mouse counts upwards, screens downwards.
      running().input(knownStrokes(strokes), pointer && { ...pointer, y: -pointer.y });
      return {};
    }),
    serve(machinePointer, async ({ move, wheel = 0, buttons }) => {
      const held = buttons?.reduce((bits, button) => bits | BUTTONS[button], 0);
      const { positions } = await running().screen.ask({ kind: 'pointer', action: { move, wheel, buttons: held } });
      return { positions };
    }),
    serve(machineSleepButton, () => {
      running().sleepButton();
      return {};
    }),
  ];
}

const BUTTONS = { left: 1, right: 2, middle: 4 } as const;

const keymaps = new URL('../../assets/keymaps/', import.meta.url);

function readLayout(name: MachineSettings['keyboardLayout']): KeyLayout {
  const bytes = readRegularFile(fileURLToPath(new URL(`${name}.json`, keymaps)), 'keyboard layout');
  return JSON.parse(new TextDecoder().decode(bytes)) as KeyLayout;
}
