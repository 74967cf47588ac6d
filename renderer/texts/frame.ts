/** Words of the frame around the screens, and of the small screens. */
const en = {
  close: 'Close',
  screen: {
    library: 'Machines',
    new: 'New machine',
    images: 'Images',
    statistics: 'Statistics',
    host: 'This computer',
    preferences: 'Preferences',
  },
  palette: {
    title: 'Search commands',
    short: 'Commands',
    hint: 'Type part of a command, choose with the arrow keys, run it with Enter.',
    placeholder: 'What do you want to do?',
    none: 'Nothing is called that.',
    go: 'Go to',
    machine: 'Machine',
  },
  about: {
    title: 'About Rootmode',
    text: 'A desktop hypervisor with its own x86-64 processor. It needs no privileges and runs where a browser runs.',
    keys: 'Keys on this screen',
    licence: 'Free software under the Apache License 2.0.',
  },
  preferences: {
    themeHint: 'System follows what your desktop uses.',
    languageHint: 'Of every window, of the menus and of the icon beside the clock. Guests and the command line keep theirs.',
    radix: 'Numbers',
    radixHint: 'How registers and VMCS fields are written.',
    hexadecimal: 'Hexadecimal',
    decimal: 'Decimal',
    where: 'Kept by this browser, for this computer.',
  },
  host: {
    processors: 'Logical processors',
    memory: 'Memory',
    guestMemory: 'Most memory of one machine',
    accelerators: 'What machines can run on',
    models: 'Processors a guest can see',
    available: 'available',
    missing: 'not here',
  },
};

const de: typeof en = {
  close: 'Schließen',
  screen: {
    library: 'Maschinen',
    new: 'Neue Maschine',
    images: 'Abbilder',
    statistics: 'Statistik',
    host: 'Dieser Rechner',
    preferences: 'Einstellungen',
  },
  palette: {
    title: 'Befehl suchen',
    short: 'Befehle',
    hint: 'Einen Teil des Befehls tippen, mit den Pfeiltasten wählen, mit Enter ausführen.',
    placeholder: 'Was möchten Sie tun?',
    none: 'So heißt nichts.',
    go: 'Gehe zu',
    machine: 'Maschine',
  },
  about: {
    title: 'Über Rootmode',
    text: 'Ein Desktop-Hypervisor mit eigenem x86-64-Prozessor. Er braucht keine Vorrechte und läuft, wo ein Browser läuft.',
    keys: 'Tasten in dieser Ansicht',
    licence: 'Freie Software unter der Apache-Lizenz 2.0.',
  },
  preferences: {
    themeHint: '„System“ folgt Ihrem Desktop.',
    languageHint: 'Aller Fenster, der Menüs und des Symbols neben der Uhr. Gäste und Kommandozeile behalten ihre.',
    radix: 'Zahlen',
    radixHint: 'Wie Register und VMCS-Felder geschrieben werden.',
    hexadecimal: 'Hexadezimal',
    decimal: 'Dezimal',
    where: 'Merkt sich dieser Browser, für diesen Rechner.',
  },
  host: {
    processors: 'Logische Prozessoren',
    memory: 'Arbeitsspeicher',
    guestMemory: 'Größter Speicher einer Maschine',
    accelerators: 'Worauf Maschinen laufen können',
    models: 'Prozessoren, die ein Gast sehen kann',
    available: 'verfügbar',
    missing: 'nicht hier',
  },
};

export const frameTexts = { en, de };
