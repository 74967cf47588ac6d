/**
 * 82441FX host bridge: configuration mechanism 1 and the shadow registers (PAM). Spec: Intel 290549, sections 3.1 and 3.2.
 * Port CF9h lies inside the address register's four ports and belongs to the ISA bridge; single bytes there go to it.
 *
 * Threats: the guest controls all registers; base addresses and shadow bits only move what it can reach itself.
 * Unassigned configuration addresses read as ones; offsets cannot leave a function's 256 bytes.
 * Restored registers are cut to the bits a guest can set.
 */
import { bytes, u32 } from '../../state/index.ts';
import { defineDevice } from '../device.ts';
import { pciBus } from '../pci/bus.ts';
import { configImage, configSpace, type PciIdentity } from '../pci/config-space.ts';
import { definePort } from '../ports.ts';

const IDENTITY: PciIdentity = {
  vendor: 0x8086,
  device: 0x1237,
  revision: 0x02,
  classCode: 0x060000,
  command: { reset: 0x0006, writable: 0x0100 },
  registers: [
    { at: 0x2c, reset: [0xf4, 0x1a, 0x00, 0x11], writable: [0, 0, 0, 0] }, // subsystem: by it firmware knows a machine with fw_cfg
    { at: 0x50, reset: [0, 0], writable: [0xff, 0xff] }, // PMC configuration
    { at: 0x57, reset: [1], writable: [0xff] }, // DRAM control
    { at: 0x59, reset: [0, 0, 0, 0, 0, 0, 0], writable: [0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33] },
    { at: 0x60, reset: [1, 1, 1, 1, 1, 1, 1, 1], writable: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff] }, // row boundaries
    { at: 0x72, reset: [0x02], writable: [0x78] }, // SMRAM: there is no SMM
  ],
};

const PAM = 0x59;
const PAM_REGISTERS = 7;
const SEGMENT = 0x4000;
const READ = 1;
const WRITE = 2;

/** One piece of the memory between 768 KiB and 1 MiB: does the processor reach RAM there? */
export interface ShadowSegment {
  readonly start: number;
  readonly size: number;
  readonly readable: boolean;
  readonly writable: boolean;
}

/** The board maps RAM below 1 MiB as the bridge says. */
export interface ShadowMap {
  apply(segments: readonly ShadowSegment[]): void;
}
const shadowMap = definePort<ShadowMap>('shadow-map', () => ({ apply: () => undefined }));

/** Port CF9h of the ISA bridge. */
export interface ResetControl {
  read(): number;
  write(value: number): void;
}
const resetControl = definePort<ResetControl>('reset-control', () => ({ read: () => 0xff, write: () => undefined }));

/** The thirteen segments in ascending order (290549, table 3-3). */
export function shadowSegments(registers: Uint8Array): ShadowSegment[] {
  const segment = (start: number, size: number, bits: number): ShadowSegment => ({
    start,
    size,
    readable: (bits & READ) !== 0,
    writable: (bits & WRITE) !== 0,
  });
  const quarters = Array.from({ length: 12 }, (_, i) => {
    const bits = (registers[1 + (i >>> 1)] ?? 0) >>> (4 * (i & 1));
    return segment(0xc0000 + i * SEGMENT, SEGMENT, bits);
  });
  return [...quarters, segment(0xf0000, 0x10000, (registers[0] ?? 0) >>> 4)];
}

export const i440fx = defineDevice({
  type: 'i440fx',
  ports: { address: 4, data: 4 },
  // A double word there only selects what the data ports then reach; the reset control in it is a byte.
  coalesced: ['address'],
  widest: 4,
  needs: { bus: pciBus, shadow: shadowMap, resetControl },
  state: {
    address: u32({ id: 1, mask: 0x80ff_ffff, doc: 'CONFADD: enable, bus, device, function, register' }),
    config: bytes(256, { id: 2, reset: configImage(IDENTITY), doc: 'Configuration space of the bridge' }),
  },
  create({ state, bus, shadow, resetControl: reset }) {
    const applyShadow = () => shadow.apply(shadowSegments(state.config.slice(PAM, PAM + PAM_REGISTERS)));
    const config = configSpace(state.config, IDENTITY, {
      placements: {},
      changed: (offset, size) => {
        if (offset < PAM + PAM_REGISTERS && offset + size > PAM) applyShadow();
      },
    });
    /** Device and function that CONFADD selects, undefined when it is off or means another bus. */
    const target = (): number | undefined => {
      const { address } = state;
      const enabled = address >= 0x8000_0000 && ((address >>> 16) & 0xff) === 0;
      return enabled ? (address >>> 8) & 0xff : undefined;
    };
    /** The data sheet reserves the two low bits; PC emulators let them count, and kvm-unit-tests reads device ids by them. */
    const register = (at: number): number => (state.address & 0xff) | at;
    return {
      regions: {
        address: {
          read: (at, size) => {
            if (size === 4) return state.address;
            return at === 1 && size === 1 ? reset.read() : 0xffff_ffff;
          },
          write: (at, value, size) => {
            if (size === 4) state.address = (value & 0x80ff_ffff) >>> 0;
            else if (at === 1 && size === 1) reset.write(value);
          },
        },
        data: {
          read: (at, size) => {
            const devfn = target();
            return devfn === undefined ? 0xffff_ffff : bus.read(devfn, register(at), size);
          },
          write: (at, value, size) => {
            const devfn = target();
            if (devfn !== undefined) bus.write(devfn, { offset: register(at), size, value });
          },
        },
      },
      restored: () => {
        config.restored();
        applyShadow();
      },
      api: { config },
    };
  },
});
