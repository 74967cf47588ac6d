/** Words of a machine's settings, and of reports about machines that ended. */
const en = {
  settings: {
    running: 'Settings can be changed while the machine is off.',
    search: 'Search settings',
    title: 'Shown name',
    notes: 'Notes',
    disks: 'Disks',
    cdroms: 'CD drives',
    floppies: 'Floppy drives',
    drive: 'Image {number}; empty: no medium',
    add: 'One more',
    addIt: 'Add',
    take: 'Remove',
    apply: 'Apply',
    noJson: 'This is not JSON.',
  },
  end: {
    crashed: 'The machine’s process is gone',
    failed: 'The machine ended with an error',
    killed: 'It ended without a word: somebody killed it, or it crashed. Other machines go on.',
    log: 'The last lines it wrote',
    again: 'Start again',
    copy: 'Copy report',
  },
};

const de: typeof en = {
  settings: {
    running: 'Einstellungen lassen sich ändern, während die Maschine aus ist.',
    search: 'Einstellungen suchen',
    title: 'Gezeigter Name',
    notes: 'Notizen',
    disks: 'Platten',
    cdroms: 'CD-Laufwerke',
    floppies: 'Diskettenlaufwerke',
    drive: 'Abbild {number}; leer: kein Medium',
    add: 'Noch eines',
    addIt: 'Hinzufügen',
    take: 'Entfernen',
    apply: 'Anwenden',
    noJson: 'Das ist kein JSON.',
  },
  end: {
    crashed: 'Der Prozess der Maschine ist fort',
    failed: 'Die Maschine endete mit einem Fehler',
    killed: 'Er endete ohne ein Wort: Jemand hat ihn beendet, oder er ist abgestürzt. Andere Maschinen laufen weiter.',
    log: 'Die letzten Zeilen, die er schrieb',
    again: 'Noch einmal starten',
    copy: 'Bericht kopieren',
  },
};

export const settingsTexts = { en, de };
