/** The VGA's registers, written and read through its ports. Sources as for the modes. */
import type { BiosIo } from '../host.ts';
import type { VideoMode } from './modes.ts';

const PORT = {
  miscellaneous: 0x3c2,
  attribute: 0x3c0,
  sequencer: 0x3c4,
  graphics: 0x3ce,
  mask: 0x3c6,
  dacRead: 0x3c7,
  dacWrite: 0x3c8,
  dac: 0x3c9,
};
const SCREEN_ON = 0x20;

export class VgaPorts {
  readonly #io: BiosIo;
  constructor(io: BiosIo) {
    this.#io = io;
  }

  sequencer(index: number, value: number): void {
    this.#indexed(PORT.sequencer, index, value);
  }
  graphics(index: number, value: number): void {
    this.#indexed(PORT.graphics, index, value);
  }
  readSequencer(index: number): number {
    this.#io.out(PORT.sequencer, index);
    return this.#io.in(PORT.sequencer + 1);
  }
  /** `port` is 3D4h or 3B4h. */
  crtc(port: number, index: number, value: number): void {
    this.#indexed(port, index, value);
  }
  readCrtc(port: number, index: number): number {
    this.#io.out(port, index);
    return this.#io.in(port + 1);
  }
  /** Write an attribute register and leave the screen on. */
  attribute(index: number, value: number): void {
    this.#resetFlipFlop();
    this.#io.out(PORT.attribute, index);
    this.#io.out(PORT.attribute, value);
    this.#io.out(PORT.attribute, SCREEN_ON);
  }
  readAttribute(index: number): number {
    this.#resetFlipFlop();
    this.#io.out(PORT.attribute, index);
    const value = this.#io.in(PORT.attribute + 1);
    this.#resetFlipFlop();
    this.#io.out(PORT.attribute, SCREEN_ON);
    this.#resetFlipFlop();
    return value;
  }
  setColour(index: number, [red, green, blue]: readonly [number, number, number]): void {
    this.#io.out(PORT.dacWrite, index);
    for (const part of [red, green, blue]) this.#io.out(PORT.dac, part);
  }
  /** From `first` on: the index goes on by itself. */
  setColours(first: number, colours: readonly (readonly [number, number, number])[]): void {
    const io = this.#io;
    io.out(PORT.dacWrite, first);
    for (const colour of colours) {
      io.out(PORT.dac, colour[0]);
      io.out(PORT.dac, colour[1]);
      io.out(PORT.dac, colour[2]);
    }
  }
  colour(index: number): [number, number, number] {
    this.#io.out(PORT.dacRead, index);
    const part = () => this.#io.in(PORT.dac);
    return [part(), part(), part()];
  }
  get mask(): number {
    return this.#io.in(PORT.mask);
  }
  set mask(value: number) {
    this.#io.out(PORT.mask, value);
  }

  /** Every register of a mode but the DAC. Returns the CRTC's port. */
  program(mode: VideoMode): number {
    const crtcPort = mode.miscellaneous & 1 ? 0x3d4 : 0x3b4;
    this.#resetFlipFlop();
    this.#io.out(PORT.attribute, 0);
    this.#io.out(PORT.miscellaneous, mode.miscellaneous);
    this.sequencer(0, 1);
    mode.sequencer.forEach((value, i) => {
      this.sequencer(i + 1, value);
    });
    this.sequencer(0, 3);
    this.crtc(crtcPort, 0x11, 0); // registers 0 to 7 are writable
    mode.crtc.forEach((value, i) => {
      this.crtc(crtcPort, i, value);
    });
    mode.graphics.forEach((value, i) => {
      this.graphics(i, value);
    });
    this.#io.in(crtcPort + 6);
    mode.attribute.forEach((value, i) => {
      this.#io.out(PORT.attribute, i);
      this.#io.out(PORT.attribute, value);
    });
    this.#io.out(PORT.attribute, 0x14);
    this.#io.out(PORT.attribute, 0);
    this.#io.out(PORT.attribute, SCREEN_ON);
    this.mask = 0xff;
    return crtcPort;
  }

  #resetFlipFlop(): void {
    this.#io.in(0x3da);
    this.#io.in(0x3ba);
  }
  #indexed(port: number, index: number, value: number): void {
    this.#io.out(port, index);
    this.#io.out(port + 1, value);
  }
}
