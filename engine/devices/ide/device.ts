/**
 * IDE function of the PIIX3: two channels in legacy mode with their bus masters, two drives each. Spec: Intel 82371SB, section 2.6;
 * ATA/ATAPI-7; SFF-8038i; MMC-3.
 *
 * Threats: the guest controls every register, tables of descriptors and packets; addresses are clipped to the medium before a request
 * leaves, lengths by the table's 64 KiB, buffers are the device's own or reached through the map of guest memory.
 * Media come from outside: only their size is looked at here. Restored phases submit again what they waited for, through the same checks.
 */
import { defineDevice } from '../device.ts';
import { driveLines } from '../drive.ts';
import { configSpace } from '../pci/config-space.ts';
import { createChannel } from './channel.ts';
import { BM_CHANNEL } from './spec.ts';
import { CHANNELS, DECODED, fields, IDENTITY, TIMING } from './state.ts';

export const ide = defineDevice({
  type: 'piix3-ide',
  ports: { primary: 8, primaryControl: 1, secondary: 8, secondaryControl: 1, busMaster: CHANNELS * BM_CHANNEL },
  widest: 4,
  irqs: ['primary', 'secondary'],
  needs: { drives: driveLines },
  state: fields,
  create({ state, irqs, dma, drives, placements }) {
    const channels = ([irqs.primary, irqs.secondary] as const).map((irq, channel) =>
      createChannel({ state, dma, irq, channel, lines: [drives[channel * 2], drives[channel * 2 + 1]] }),
    );
    const [primary, secondary] = channels as [(typeof channels)[0], (typeof channels)[0]];
    drives.forEach((line, d) => {
      line?.onDone((result) => channels[d >>> 1]?.done(d & 1, result));
    });
    const COMMAND_IO = 1;
    const place = () => {
      const decoded = (config.command & COMMAND_IO) !== 0;
      const enabled = TIMING.map((at) => decoded && ((state.config[at] as number) & DECODED) !== 0);
      placements.primary.enable(enabled[0] === true);
      placements.primaryControl.enable(enabled[0] === true);
      placements.secondary.enable(enabled[1] === true);
      placements.secondaryControl.enable(enabled[1] === true);
    };
    const config = configSpace(state.config, IDENTITY, { placements, changed: place });
    const control = (channel: (typeof channels)[0]) => ({
      read: () => channel.readAlternate(),
      write: (_offset: number, value: number) => channel.writeControl(value & 0xff),
    });
    return {
      regions: {
        primary,
        secondary,
        primaryControl: control(primary),
        secondaryControl: control(secondary),
        busMaster: {
          read: (offset, size) => {
            let value = 0;
            for (let i = 0; i < size; i++) {
              const at = offset + i;
              value |= (channels[at >>> 3]?.readBusMaster(at & 7) ?? 0xff) << (8 * i);
            }
            return value >>> 0;
          },
          write: (offset, value, size) => {
            for (let i = 0; i < size; i++) {
              const at = offset + i;
              channels[at >>> 3]?.writeBusMaster(at & 7, (value >>> (8 * i)) & 0xff);
            }
          },
        },
      },
      reset: () => {
        for (const channel of channels) channel.reset();
      },
      restored: () => {
        config.restored();
        place();
        for (const channel of channels) channel.restored();
      },
      api: {
        config,
        /** The guest has locked the tray of drive 0 to 3: it is asked to let go instead. */
        // Floppy drives have numbers above ours, and no lock.
        trayLocked: (drive: number) => (state.trayLocked[drive] ?? 0) !== 0,
        lockTray: (drive: number, locked: boolean) => {
          state.trayLocked[drive] = locked ? 1 : 0;
        },
        requestEject: (drive: number) => channels[drive >>> 1]?.requestEject(drive & 1),
      },
    };
  },
});
