/**
 * Updates are off until somebody who publishes packages names where they are: electron-builder then writes `app-update.yml` beside the
 * archive, and only then is the updater loaded. Nothing is asked of any server before.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Look for a newer version if a feed is configured. Resolves with whether one was asked. Never rejects: no network is no failure. */
export async function lookForUpdates(resources: string, report: (reason: string) => void): Promise<boolean> {
  if (!existsSync(join(resources, 'app-update.yml'))) return false;
  try {
    const { default: updater } = await import('electron-updater');
    await updater.autoUpdater.checkForUpdatesAndNotify();
  } catch (failure) {
    report(failure instanceof Error ? failure.message : String(failure));
  }
  return true;
}
