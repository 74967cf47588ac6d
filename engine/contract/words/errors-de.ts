/** What `errors-en.ts` says, in German. */
import type { ErrorCode } from '../errors.ts';

export const germanErrors: Readonly<Record<ErrorCode, string>> = {
  'memory-size': 'Eine Maschine kann nicht {bytes} Speicher haben. Wählen Sie zwischen {minimum} und {maximum}.',
  'memory-host': 'Dieser Rechner gibt keine {bytes} Adressraum her. Wählen Sie weniger Speicher für die Maschine.',
  'arena-full': 'Die Maschine hat keinen Platz mehr für {name}. Starten Sie sie mit weniger Geräten, und melden Sie das bitte.',
  'slot-invalid': 'Der Speicherbereich {slot} wird abgelehnt: {reason}. Bitte melden Sie das.',
  'state-malformed': 'Der gespeicherte Zustand von {part} ist beschädigt ({reason}). Nehmen Sie einen anderen.',
  'state-unknown':
    'Der gespeicherte Zustand von {part} kommt von einer anderen Version von Rootmode. Nehmen Sie die, die ihn gespeichert hat.',
  'state-value': 'Im gespeicherten Zustand von {part} ist der Wert von {field} falsch. Nehmen Sie einen anderen.',
  'capability-missing': '„{backend}“ bietet {capability} nicht. Wählen Sie in den Einstellungen etwas anderes, worauf sie läuft.',
  'vcpu-unknown': 'Es gibt keinen virtuellen Prozessor {vcpu}; diese Maschine hat {vcpus}, gezählt ab 0.',
  'register-value': 'Der Wert wird abgelehnt: {register} {reason}.',
  'route-invalid': 'Der Interruptweg {gsi} wird abgelehnt: {reason}. Bitte melden Sie das.',
  'boot-file': '{file} {defect}; {remedy}.',
  'boot-room':
    '{what}: Das braucht {neededBytes} Speicher, und die Maschine hat {ramBytes}. Geben Sie ihr in den Einstellungen mehr.',
  'boot-command-line':
    'Die Kernel-Befehlszeile hat {bytes}; dieser Kernel nimmt höchstens {maximum}. Kürzen Sie sie in den Einstellungen.',
  'boot-nothing':
    'Die Maschine hat nichts, wovon sie starten kann. Geben Sie ihr in den Einstellungen einen Kernel, eine Platte oder eine CD.',
  usage: '{reason}. „{command} --help“ im Terminal zeigt, was möglich ist.',
  'setting-invalid': '{setting} kann nicht {value} sein: Es {reason}.',
  'file-missing': '{what}: Unter {path} ist nichts. Prüfen Sie den Pfad.',
  'file-unreadable': '{what}: {path} lässt sich nicht lesen: {reason}.',
  'file-unwritable': '{what}: {path} lässt sich nicht schreiben: {reason}.',
  'build-missing': 'Die Datei {file} dieser Installation fehlt. Installieren Sie Rootmode neu.',
  'serial-closed':
    'Wer die serielle Schnittstelle las, ist weg ({reason}), darum wurde die Maschine angehalten. Lassen Sie COM1 in den Einstellungen zur Konsole gehen.',
  'thread-failed':
    'Ein Thread der Maschine ist gescheitert ({thread}: {reason}), darum wurde sie angehalten. Bitte melden Sie das.',
  'image-io': 'Das Abbild {path} versagte ({reason}). Prüfen Sie die Platte, auf der es liegt.',
  'disk-full':
    'Auf der Platte ist kein Platz mehr für {path}. Die Maschine wartet: Schaffen Sie Platz, und lassen Sie sie weiterlaufen. Nichts ist verloren.',
  'image-disguise':
    'Der Gast schrieb den Kopf eines anderen Abbildformats in {path}. Soll das so sein, stellen Sie das Format dieser Platte in den Einstellungen auf raw.',
  'image-format': '{path} ist kein brauchbares Abbild: {reason}.',
  'image-damaged':
    'Das Abbild {path} ist beschädigt: {reason}. „rootmode image check --repair all“ kann eine Kopie davon zu heilen versuchen.',
  'image-encrypted':
    'Das Abbild {path} ist verschlüsselt, das geht hier nicht. Wandeln Sie es mit dem Programm um, das es gemacht hat.',
  'image-backing': 'Das Abbild {path} braucht die Datei {backing}, aber {reason}. Legen Sie sie an ihren Platz.',
  'image-locked':
    'Das Abbild {path} wird von {holder} benutzt. Beenden Sie das zuerst, oder schützen Sie das Abbild in den Einstellungen vor dem Schreiben.',
  'image-readonly': 'Das Abbild {path} ist schreibgeschützt. Nehmen Sie den Schutz in den Einstellungen weg, um es zu ändern.',
  'image-size': 'Ein Abbild kann nicht {bytes} haben: {reason}.',
  'image-snapshot': 'Der Schnappschuss {name} von {path} {reason}.',
  'drive-unknown':
    'Diese Maschine hat kein Laufwerk {drive}. Geben Sie ihr eines in den Einstellungen. Laufwerke, die sie hat: {drives}.',
  'drive-locked':
    'Der Gast hat die Lade von {drive} verriegelt. Werfen Sie das Medium im Gast aus, oder bestehen Sie hier darauf.',
  'runtime-directory':
    'Der Laufzeitordner {path} {reason}. Setzen Sie XDG_RUNTIME_DIR auf einen Ordner, den nur Sie betreten können.',
  'machine-running': 'Eine Maschine namens {name} läuft schon. Wählen Sie einen anderen Namen.',
  'machine-not-running': 'Die Maschine {name} läuft nicht. Starten Sie sie zuerst.',
  'socket-foreign': 'Der Socket {path} gehört einem anderen Benutzer (Nummer {owner}). Arbeiten Sie als dieser.',
  'connection-closed': 'Die Verbindung zu {name} ist verloren. Kommt sie nicht wieder, sehen Sie nach, ob dort noch etwas läuft.',
  'machine-not-answering':
    'Die Maschine {name} hat {seconds} Sekunden lang nicht geantwortet. Versuchen Sie es noch einmal, oder schalten Sie sie aus.',
  'serial-target':
    'Die serielle Schnittstelle dieser Maschine geht nach {target}. Lassen Sie sie in den Einstellungen zur Konsole gehen, um hier zu schreiben.',
  'port-taken': 'Port {port} dieses Rechners ist nicht zu haben: {reason}. Wählen Sie einen anderen.',
  'machine-unknown': 'In der Bibliothek gibt es keine Maschine namens {name}.',
  'machine-exists': 'Eine Maschine namens {name} gibt es schon. Wählen Sie einen anderen Namen.',
  'machine-locked': 'Die Maschine {name} läuft (Prozess {pid}). Schalten Sie sie zuerst aus.',
  'machine-folder':
    'Die Maschinendatei {path} ist nicht zu gebrauchen: {reason}. Bringen Sie sie mit einem Editor in Ordnung, oder löschen Sie die Maschine.',
  'machine-archive': 'Die Datei {path} lässt sich nicht aufnehmen: {reason}. Bitten Sie um eine andere.',
  'machine-busy': 'Die Maschine {name} wird gerade kopiert oder gepackt. Warten Sie das ab, oder brechen Sie es ab.',
  'machine-outside':
    'Die Maschine in {path} nennt Dateien außerhalb ihrer selbst, die ihr Gast lesen und ändern könnte: {files}.',
  'machine-unportable': '{path} lässt sich nicht packen: {reason}.',
  'library-folder':
    'Der Ordner der Bibliothek {path} {reason}. Setzen Sie XDG_DATA_HOME auf einen Ordner, in den Sie schreiben dürfen.',
  'image-exists': 'Ein Abbild namens {name} gibt es schon. Wählen Sie einen anderen Namen, oder löschen Sie jenes.',
  'download-failed':
    '{url} ließ sich nicht herunterladen: {reason}. Was kam, bleibt da: Setzen Sie fort, wenn die Verbindung wieder steht.',
  'download-checksum':
    '{name} ist nicht, was es sein soll, und wurde gelöscht: Die SHA-256 ist {actual}, nicht {expected}. Prüfen Sie Adresse und Summe.',
  'job-unknown': 'Das war längst vorbei.',
  'job-limit': '{maximum} lange Arbeiten laufen schon. Warten Sie eine ab, oder brechen Sie eine ab.',
  'job-cancelled': '{title} wurde abgebrochen, und nichts ist davon übrig.',
  'image-busy': 'Das Abbild {name} ist unterwegs. Brechen Sie das zuerst ab.',
  'image-in-use': 'Das Abbild {name} wird von {machines} benutzt. Schalten Sie das zuerst aus.',
  'image-work': 'Das Abbild {name} wurde nicht gemacht: {reason}',
  'vmx-unread': 'Was VMX hier bietet, war nicht zu erfahren: {reason}',
  'upload-unknown': 'Die Datei kam nicht ganz an. Fügen Sie sie noch einmal hinzu.',
  'upload-limit': '{maximum} Dateien werden schon hinzugefügt. Warten Sie eine ab.',
  'machine-start': 'Die Maschine {name} ist nicht gestartet: {reason}',
  'machines-none': 'Keine Maschine läuft.',
  'machine-unnamed': 'Mehrere Maschinen laufen; wählen Sie eine von {running}.',
  'vmcs-none':
    'Der virtuelle Prozessor {vcpu} von {name} hat jetzt keine VMCS. Auf „bare“ gibt es nur eine, solange der Gast selbst ein Hypervisor ist; „software“ hat immer eine.',
  'probe-unknown': 'Es gibt keine Messstelle {probe}.',
  'probe-missing': '„{backend}“ hat die Messstelle {probe} nicht. „software“ hat mehr.',
  'trace-where': 'Der Ausdruck wählt keine Ereignisse: {reason} (beim Zeichen {at}).',
  'trace-field': 'Ereignisse auf {backend} bringen kein VMCS-Feld {field}.',
  'trace-fields': 'Ereignisse bringen höchstens {maximum} VMCS-Felder auf einmal.',
  'trace-vmcs': 'Exits auf „{backend}“ bringen keine VMCS. Starten Sie die Maschine auf „software“, und zeichnen Sie neu auf.',
  'exit-forgotten':
    'Die VMCS dieses Exits des virtuellen Prozessors {vcpu} ist nicht mehr da: Neuere Exits haben ihren Platz. Zeichnen Sie neu auf.',
  'trace-limit': 'Eine Maschine hat höchstens {maximum} Aufzeichnungen zugleich. Beenden Sie zuerst eine andere.',
  'trace-unknown': 'Die Aufzeichnung ist zu Ende: Zu lange hat niemand von ihr geholt. Beginnen Sie neu.',
  'stop-unknown': 'Den Halt {stop} gibt es nicht mehr.',
  'stop-limit': 'Eine Maschine hat höchstens {maximum} Halte. Entfernen Sie zuerst einen.',
  'stop-unsupported': '„{backend}“ kann da nicht halten ({on}). Starten Sie die Maschine auf „software“.',
  'register-unknown': 'In {group} gibt es kein Register {register}, das sich setzen lässt.',
  'memory-absent': 'Bei {address} ist kein Speicher, der sich schreiben ließe. Nichts wurde geändert.',
  'screen-missing': 'Die Maschine {name} hat keine Grafikkarte. Geben Sie ihr eine in den Einstellungen.',
  'screen-viewers': '{maximum} Fenster sehen diesen Bildschirm schon. Schließen Sie zuerst eines.',
  'screen-graphics': 'Der Bildschirm von {name} zeigt Grafik, keine Zeichen.',
  'text-untypable':
    'Die Tastatur {layout} kann {characters} nicht tippen. Lassen Sie das weg, oder wählen Sie in den Einstellungen eine andere.',
  'key-unknown': 'Es gibt keine Taste {key}.',
  'pointer-relative':
    'Der Gast von {name} hat keinen Treiber für einen absoluten Zeiger. Nehmen Sie stattdessen die Maus im Bildschirm.',
  'pointer-unheard': 'Der Gast von {name} hört noch nicht auf seine Maus.',
  'keys-waiting': 'Der Gast muss noch {waiting} Anschläge lesen, die vorher getippt wurden. Warten Sie das ab.',
  'message-invalid':
    'Das Fenster sagte etwas, was die Maschine nicht versteht ({reason}). Laden Sie es neu, und melden Sie das bitte.',
  'message-too-long': 'Das ist mehr, als sich auf einmal sagen lässt ({maximum}). Tun Sie es in Teilen.',
  'command-unknown':
    'Dieses Rootmode kennt den Befehl {command} nicht: Fenster und Maschine sind von verschiedenen Versionen. Laden Sie das Fenster neu.',
  'command-not-allowed': 'Das geht nicht, während die Maschine im Zustand „{status}“ ist.',
  'arguments-invalid': 'Das geht nicht: {reason}.',
  'answer-invalid':
    'Die Antwort auf {command} ergibt hier keinen Sinn: Fenster und Maschine sind von verschiedenen Versionen. Laden Sie das Fenster neu.',
  internal: 'Rootmode hat einen Fehler ({reason}). Bitte melden Sie ihn.',
};
