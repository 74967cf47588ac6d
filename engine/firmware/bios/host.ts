/** What the BIOS is given by the board. Everything runs on the thread of the vCPU that called, under the machine lock, and never waits. */
import type { Platform } from '../platform.ts';
import type { BiosDrive } from './disk.ts';

/**
 * Guest-physical memory as a processor in real mode sees it: A20, shadowing and memory-mapped devices included. Addresses are
 * hostile: what nobody answers reads as ones and swallows writes.
 */
export interface BiosMemory {
  read(gpa: number, length: number): Uint8Array;
  write(gpa: number, bytes: Uint8Array): void;
  /** Whether all of a range is RAM, which drives can reach. */
  isRam(gpa: number, length: number): boolean;
}

/** The machine's ports. */
export interface BiosIo {
  in(port: number, size?: 1 | 2 | 4): number;
  out(port: number, value: number, size?: 1 | 2 | 4): void;
}

export interface BootSettings {
  /** The order in which kinds of drives are tried. */
  readonly order: readonly BiosDrive['kind'][];
  /** Wait this long for F12, milliseconds; 0: the menu comes only when F12 was pressed before. */
  readonly menuMilliseconds: number;
}

export interface BiosHost {
  readonly memory: BiosMemory;
  readonly io: BiosIo;
  readonly platform: Platform;
  /** In the order of their BIOS numbers within each kind. */
  readonly drives: readonly BiosDrive[];
  readonly boot: BootSettings;
  /** The upper 32 KiB of the F segment. */
  readonly rom: () => Uint8Array;
  /** Machine time in ns. */
  now(): number;
  /** Bring the hardware into the state in which a BIOS starts a system. */
  initializeHardware(): void;
  /** The machine's MSRs that firmware sets on the first processor. */
  readonly msrs: readonly (readonly [index: number, value: bigint])[];
}
