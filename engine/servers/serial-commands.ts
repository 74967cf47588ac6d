/** The commands about serial ports, carried out. */
import { resolve } from 'node:path';
import { EngineError } from '../contract/errors.ts';
import { serialLog, serialPorts, serialWrite } from '../contract/serial-commands.ts';
import { type Served, serve } from '../contract/serve.ts';
import type { MachineSettings } from '../contract/settings.ts';
import type { Coordinator } from '../machine/coordinator.ts';

export interface SerialParts {
  readonly settings: MachineSettings;
  running(): Coordinator;
}

export function serveSerial({ settings, running }: SerialParts): readonly Served<undefined>[] {
  return [
    serve(serialWrite, ({ port, bytes }) => {
      const target = port === 0 ? settings.serial : settings.serial2;
      if (target !== 'console') throw new EngineError('serial-target', { target });
      running().serial.input(port, Buffer.from(bytes, 'base64'));
      return {};
    }),
    serve(serialPorts, () => ({ ports: running().serial.ports() })),
    serve(serialLog, async ({ port, file }) => {
      const path = file === undefined ? undefined : resolve(file);
      await running().serial.keep(port, path);
      return path === undefined ? {} : { file: path };
    }),
  ];
}
