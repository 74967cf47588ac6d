/** The shell speaks the language that a person chose in a window: each window says which one when it is opened and when that changes. */
import type { IpcMain } from 'electron';
import { sayError } from '../../engine/contract/words/say.ts';
import { isOurPage } from './security.ts';
import { type Language, languageOf, type ShellTexts, shellTexts } from './texts.ts';

export interface Speech {
  texts(): ShellTexts;
  /** An error as people read it. */
  said(failure: unknown): string;
}

/** `system`: the tag of the language until a window says another; `onChange`: labels are to be made again. */
export function followLanguage(ipc: IpcMain, { system, onChange }: { system: string; onChange(): void }): Speech {
  let language: Language = languageOf(system);
  ipc.on('window-language', ({ senderFrame, sender }, tag: unknown) => {
    if (senderFrame === null || senderFrame !== sender.mainFrame || !isOurPage(senderFrame.url)) return;
    const next = languageOf(tag);
    if (next === language) return;
    language = next;
    onChange();
  });
  return { texts: () => shellTexts[language], said: (failure) => sayError(failure, language) };
}
