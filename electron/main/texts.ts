/** Every word that the shell itself says, by language; those of the window are in renderer/texts. */
const en = {
  menu: {
    file: '&File',
    newWindow: 'New Window',
    openFolder: 'Open the Library’s Folder',
    close: 'Close Window',
    edit: '&Edit',
    undo: 'Undo',
    redo: 'Redo',
    cut: 'Cut',
    copy: 'Copy',
    paste: 'Paste',
    delete: 'Delete',
    selectAll: 'Select All',
    view: '&View',
    reload: 'Reload',
    resetZoom: 'Actual Size',
    zoomIn: 'Zoom In',
    zoomOut: 'Zoom Out',
    fullScreen: 'Full Screen',
    window: '&Window',
    minimize: 'Minimize',
    zoom: 'Zoom',
    front: 'Bring All to Front',
    about: 'About Rootmode',
    services: 'Services',
    hide: 'Hide Rootmode',
    hideOthers: 'Hide Others',
    showAll: 'Show All',
    quit: 'Quit',
  },
  tray: { show: 'Show Rootmode', none: 'No machine runs', quit: 'Quit' },
  quit: {
    one: (name: string) => `${name} still runs`,
    many: (names: string) => `${names} still run`,
    detail: 'Quitting turns running machines off without asking their guests.',
    turnOff: 'Turn off and quit',
    cancel: 'Cancel',
  },
  ended: {
    title: (name: string) => `${name} ended`,
    body: 'Its window shows the reason and the last lines of its log.',
  },
  opened: {
    failed: 'The machine was not taken in',
    outside: 'This machine names files outside of its folder',
    outsideDetail: (files: string) =>
      `Its guest could read and change them:\n\n${files}\n\nTake it in only if you trust who made it.`,
    take: 'Take in all the same',
    leave: 'Do not take in',
  },
};
export type ShellTexts = typeof en;

const de: ShellTexts = {
  menu: {
    file: '&Datei',
    newWindow: 'Neues Fenster',
    openFolder: 'Ordner der Bibliothek öffnen',
    close: 'Fenster schließen',
    edit: '&Bearbeiten',
    undo: 'Rückgängig',
    redo: 'Wiederholen',
    cut: 'Ausschneiden',
    copy: 'Kopieren',
    paste: 'Einfügen',
    delete: 'Löschen',
    selectAll: 'Alles auswählen',
    view: '&Ansicht',
    reload: 'Neu laden',
    resetZoom: 'Originalgröße',
    zoomIn: 'Vergrößern',
    zoomOut: 'Verkleinern',
    fullScreen: 'Vollbild',
    window: '&Fenster',
    minimize: 'Im Dock ablegen',
    zoom: 'Zoomen',
    front: 'Alle nach vorne bringen',
    about: 'Über Rootmode',
    services: 'Dienste',
    hide: 'Rootmode ausblenden',
    hideOthers: 'Andere ausblenden',
    showAll: 'Alle einblenden',
    quit: 'Beenden',
  },
  tray: { show: 'Rootmode zeigen', none: 'Keine Maschine läuft', quit: 'Beenden' },
  quit: {
    one: (name) => `${name} läuft noch`,
    many: (names) => `${names} laufen noch`,
    detail: 'Beim Beenden werden laufende Maschinen ausgeschaltet, ohne dass ihre Gäste gefragt werden.',
    turnOff: 'Ausschalten und beenden',
    cancel: 'Abbrechen',
  },
  ended: {
    title: (name) => `${name} ist zu Ende`,
    body: 'Ihr Fenster zeigt den Grund und die letzten Zeilen ihres Protokolls.',
  },
  opened: {
    failed: 'Die Maschine wurde nicht aufgenommen',
    outside: 'Diese Maschine nennt Dateien außerhalb ihres Ordners',
    outsideDetail: (files) =>
      `Ihr Gast könnte sie lesen und ändern:\n\n${files}\n\nNehmen Sie sie nur auf, wenn Sie dem vertrauen, der sie gemacht hat.`,
    take: 'Trotzdem aufnehmen',
    leave: 'Nicht aufnehmen',
  },
};

export const shellTexts = { en, de } as const;
export type Language = keyof typeof shellTexts;

/** The language of a tag such as `de-AT`; English for those nobody has translated. */
export function languageOf(tag: unknown): Language {
  const start = typeof tag === 'string' ? tag.slice(0, 2).toLowerCase() : '';
  return Object.hasOwn(shellTexts, start) ? (start as Language) : 'en';
}
