/** The commands about drives, carried out. */
import { type Served, serve } from '../contract/serve.ts';
import { machineCont, machineMedium } from '../contract/storage-commands.ts';
import type { Coordinator } from '../machine/coordinator.ts';

export function serveStorage(running: () => Coordinator): readonly Served<undefined>[] {
  return [
    serve(machineMedium, async (change) => {
      await running().changeMedium(change);
      return {};
    }),
    serve(machineCont, async () => {
      await running().continue();
      return {};
    }),
  ];
}
