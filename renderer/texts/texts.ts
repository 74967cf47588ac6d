/** Every text of the window by language. English decides which texts there are; another language that lacks one does not compile. */
import { createI18n } from 'vue-i18n';
import type { Shell } from '../client/port-transport.ts';
import { createTexts } from './create.ts';
import { de } from './de.ts';
import { displayTexts } from './display.ts';
import { en } from './en.ts';
import { frameTexts } from './frame.ts';
import { inspectorTexts } from './inspector.ts';
import { settingsTexts } from './settings.ts';
import { statisticsTexts } from './statistics.ts';
import { taskTexts } from './tasks.ts';
import { vmxTexts } from './vmx.ts';

export const languages = {
  en: {
    ...en,
    ...displayTexts.en,
    ...frameTexts.en,
    ...inspectorTexts.en,
    ...statisticsTexts.en,
    ...createTexts.en,
    ...settingsTexts.en,
    ...taskTexts.en,
    ...vmxTexts.en,
  },
  de: {
    ...de,
    ...displayTexts.de,
    ...frameTexts.de,
    ...inspectorTexts.de,
    ...statisticsTexts.de,
    ...createTexts.de,
    ...settingsTexts.de,
    ...taskTexts.de,
    ...vmxTexts.de,
  },
} as const;
export const languageNames = { en: 'English', de: 'Deutsch' } as const;
export type Language = keyof typeof languages;

function preferred(): Language {
  const kept = localStorage.getItem('language');
  const wanted = [kept, ...navigator.languages].map((tag) => tag?.slice(0, 2));
  return (wanted.find((tag) => tag === 'en' || tag === 'de') as Language | undefined) ?? 'en';
}

const dates = { day: { dateStyle: 'medium' } } as const;
const numbers = { short: { maximumSignificantDigits: 2 }, whole: { maximumFractionDigits: 0 } } as const;

export const texts = createI18n({
  legacy: false,
  locale: preferred(),
  fallbackLocale: 'en',
  messages: languages,
  numberFormats: { en: numbers, de: numbers },
  datetimeFormats: { en: dates, de: dates },
});
/** Menus of the desktop shell speak as the window does. */
function tell(language: string): void {
  document.documentElement.lang = language;
  (globalThis as { rootmodeShell?: Shell }).rootmodeShell?.speak(language);
}
tell(texts.global.locale.value);

export function chooseLanguage(language: Language): void {
  localStorage.setItem('language', language);
  texts.global.locale.value = language;
  tell(language);
}
