/** The Bochs display interface: modes beyond the VGA's, as numbers of pixels. Spec: QEMU, docs/specs/standard-vga; Bochs, VBE notes. */
import { dispiMode, type VgaRegisters } from './registers.ts';
import { DISPI_LIMITS, Dispi, DispiEnable, isDispiId } from './spec.ts';
import type { VideoMemory } from './video-memory.ts';

export interface DispiParts {
  readonly state: Pick<VgaRegisters, 'dispi'>;
  readonly video: VideoMemory;
  /** The guest's window may show something else now. */
  changed(): void;
}

export function dispiRead({ state, video }: DispiParts, index: number): number {
  const value = state.dispi[index];
  if (index === Dispi.Memory64K) return video.bytes.length >>> 16;
  if (value === undefined) return 0;
  if (((state.dispi[Dispi.Enable] as number) & DispiEnable.Capabilities) !== 0) {
    if (index === Dispi.Width) return DISPI_LIMITS.width;
    if (index === Dispi.Height) return DISPI_LIMITS.height;
    if (index === Dispi.Depth) return DISPI_LIMITS.depth;
  }
  const mode = dispiMode(state, video.bytes.length);
  if (mode === undefined) return value;
  if (index === Dispi.VirtualWidth) return mode.virtualWidth;
  if (index === Dispi.VirtualHeight) return Math.min(mode.virtualHeight, 0xffff);
  return value;
}

export function dispiWrite(parts: DispiParts, index: number, value: number): void {
  const { state, video } = parts;
  const on = ((state.dispi[Dispi.Enable] as number) & DispiEnable.On) !== 0;
  switch (index) {
    case Dispi.Id:
      if (isDispiId(value)) state.dispi[Dispi.Id] = value;
      return;
    case Dispi.Width:
    case Dispi.Height:
    case Dispi.Depth:
      // Taken while the interface is off only.
      if (!on) state.dispi[index] = value;
      return;
    case Dispi.Enable:
      enable(parts, value);
      return;
    case Dispi.Bank:
      state.dispi[Dispi.Bank] = value % (video.bytes.length >>> 16);
      parts.changed();
      return;
    case Dispi.VirtualWidth:
    case Dispi.XOffset:
    case Dispi.YOffset:
      state.dispi[index] = value;
  }
}

/** Turning the interface on sets the virtual screen to the visible one and clears it, unless the guest asks to keep its content. */
function enable({ state, video, changed }: DispiParts, value: number): void {
  const was = state.dispi[Dispi.Enable] as number;
  state.dispi[Dispi.Enable] =
    value & (DispiEnable.On | DispiEnable.Capabilities | DispiEnable.EightBitDac | DispiEnable.Linear | DispiEnable.KeepMemory);
  if ((value & DispiEnable.On) !== 0 && (was & DispiEnable.On) === 0) {
    for (const index of [Dispi.VirtualWidth, Dispi.XOffset, Dispi.YOffset, Dispi.Bank]) state.dispi[index] = 0;
    // The window leaves the cells of a text mode first, so that they do not come back into a cleared memory.
    changed();
    const mode = dispiMode(state, video.bytes.length);
    if (mode !== undefined && (value & DispiEnable.KeepMemory) === 0) {
      const bytes = mode.pitch * mode.height * (mode.depth === 4 ? 4 : 1);
      video.bytes.fill(0, 0, bytes);
      for (let at = 0; at < bytes; at += 4096) video.mark(at);
    }
    return;
  }
  changed();
}
