/** The drives of a machine on its I/O thread: media opened at the first boot, changed while it runs, closed at the end. */
import { EngineError } from '../base/index.ts';
import type { DriveServer } from '../board/drives/server.ts';
import { drivePlan, type MediumSettings, removableMedium } from '../contract/drive-plan.ts';
import type { MachineSettings } from '../contract/settings.ts';
import { type DriveLoop, startDriveLoop } from './drive-loop.ts';
import type { IoHost } from './ports.ts';

export interface MediaChange {
  /** `cdrom`, `cdrom1`, `floppy`, `floppy1`. */
  readonly drive: string;
  /** Absent: the medium is taken out. */
  readonly file?: string | undefined;
  readonly readonly: boolean;
  /** Although the guest has locked the tray. */
  readonly force: boolean;
}

export interface Drives {
  /** Open what the settings name, once; fails with what the image is refused for, and then nothing is open. */
  open(): void;
  /** Fails with `drive-unknown`, `drive-locked` and what an image is refused for. */
  change(change: MediaChange): void;
  retry(): void;
  /** Everything is written and closed. Fails when something could not be. */
  close(): Promise<void>;
}

export interface DrivesParts {
  readonly settings: MachineSettings;
  readonly server: DriveServer;
  readonly host: Pick<IoHost, 'openImage' | 'turn'>;
  /** Whether the guest holds a drive's tray; it is then asked to let go. */
  askForTray(drive: number): 'free' | 'locked';
}

export function createDrives({ settings, server, host, askForTray }: DrivesParts): Drives {
  const plan = drivePlan(settings);
  let loop: DriveLoop | undefined;
  const owner = settings.name;
  const insert = (d: number, medium: MediumSettings) => server.insert(d, host.openImage(medium, owner));
  return {
    open: () => {
      if (loop !== undefined) return;
      try {
        plan.forEach((drive, d) => {
          if (drive?.medium) insert(d, drive.medium);
        });
      } catch (failure) {
        server.close();
        throw failure;
      }
      if (plan.some((drive) => drive !== undefined)) loop = startDriveLoop(server, host.turn);
    },
    change: ({ drive: name, file, readonly, force }) => {
      const d = plan.findIndex((drive) => drive?.name === name && drive.kind !== 'disk');
      const drive = plan[d];
      if (drive === undefined || drive.kind === 'disk') {
        const drives = plan.flatMap((one) => (one && one.kind !== 'disk' ? [one.name] : []));
        throw new EngineError('drive-unknown', { drive: name, drives });
      }
      if (!force && server.image(d) !== undefined && askForTray(d) === 'locked')
        throw new EngineError('drive-locked', { drive: name });
      if (file === undefined) server.insert(d, undefined);
      else insert(d, removableMedium(drive.kind, file, readonly));
    },
    retry: () => loop?.retry(),
    close: async () => {
      await loop?.end();
      server.close();
    },
  };
}
