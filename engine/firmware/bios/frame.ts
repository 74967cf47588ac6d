/**
 * The registers of a caller, in the frame that the ROM's stub keeps on the caller's stack (assets/firmware/bios.asm). The whole frame is
 * read once and written back once, so that a stack in strange memory costs two accesses.
 */
import type { BiosMemory } from './host.ts';

const FRAME_BYTES = 56;

const At = {
  scratch: 0,
  action: 4,
  argument: 6,
  pointer: 8,
  gpr: 12,
  es: 44,
  ds: 46,
  vector: 48,
  ip: 50,
  cs: 52,
  flags: 54,
} as const;
const Gpr = { di: 0, si: 4, bp: 8, bx: 16, dx: 20, cx: 24, ax: 28 } as const;

/** What the stub does next. */
export const Action = { Return: 0, Spin: 1, Halt: 2, Call: 3, Mouse: 4, Msrs: 5, Enter: 6 } as const;
/** Bit of the scratch word: carry after an action that calls. */
const CALL_CARRY = 0x8000_0000;

const Flag = { Carry: 0x0001, Zero: 0x0040, Interrupt: 0x0200 } as const;

export class Frame {
  readonly #memory: BiosMemory;
  readonly #address: number;
  readonly #view: DataView;
  readonly #bytes: Uint8Array;

  constructor(memory: BiosMemory, address: number) {
    this.#memory = memory;
    this.#address = address;
    this.#bytes = memory.read(address, FRAME_BYTES);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Give the caller what was changed. */
  store(): void {
    this.#memory.write(this.#address, this.#bytes);
  }

  get vector(): number {
    return this.#get(At.vector);
  }

  /** What a service keeps between two traps of one call: 31 bits. */
  get scratch(): number {
    return this.#view.getUint32(At.scratch, true) & 0x7fff_ffff;
  }
  set scratch(value: number) {
    this.#view.setUint32(At.scratch, value, true);
  }
  get callCarry(): boolean {
    return this.#view.getUint32(At.scratch, true) >= CALL_CARRY;
  }
  get argument(): number {
    return this.#get(At.argument);
  }

  /** Trap again after `action`; `scratch` tells this trap from the next. */
  again(
    action: number,
    scratch: number,
    call?: { readonly segment: number; readonly offset: number; readonly argument: number },
  ): void {
    this.#set(At.action, action);
    this.scratch = scratch;
    if (call === undefined) return;
    this.#set(At.argument, call.argument);
    this.#set(At.pointer, call.offset);
    this.#set(At.pointer + 2, call.segment);
  }

  get ax(): number {
    return this.#get(At.gpr + Gpr.ax);
  }
  set ax(value: number) {
    this.#set(At.gpr + Gpr.ax, value);
  }
  get al(): number {
    return this.ax & 0xff;
  }
  set al(value: number) {
    this.#view.setUint8(At.gpr + Gpr.ax, value);
  }
  get ah(): number {
    return this.ax >>> 8;
  }
  set ah(value: number) {
    this.#view.setUint8(At.gpr + Gpr.ax + 1, value);
  }
  get bx(): number {
    return this.#get(At.gpr + Gpr.bx);
  }
  set bx(value: number) {
    this.#set(At.gpr + Gpr.bx, value);
  }
  get bl(): number {
    return this.bx & 0xff;
  }
  set bl(value: number) {
    this.#view.setUint8(At.gpr + Gpr.bx, value);
  }
  get bh(): number {
    return this.bx >>> 8;
  }
  set bh(value: number) {
    this.#view.setUint8(At.gpr + Gpr.bx + 1, value);
  }
  get cx(): number {
    return this.#get(At.gpr + Gpr.cx);
  }
  set cx(value: number) {
    this.#set(At.gpr + Gpr.cx, value);
  }
  get cl(): number {
    return this.cx & 0xff;
  }
  set cl(value: number) {
    this.#view.setUint8(At.gpr + Gpr.cx, value);
  }
  get ch(): number {
    return this.cx >>> 8;
  }
  set ch(value: number) {
    this.#view.setUint8(At.gpr + Gpr.cx + 1, value);
  }
  get dx(): number {
    return this.#get(At.gpr + Gpr.dx);
  }
  set dx(value: number) {
    this.#set(At.gpr + Gpr.dx, value);
  }
  get dl(): number {
    return this.dx & 0xff;
  }
  set dl(value: number) {
    this.#view.setUint8(At.gpr + Gpr.dx, value);
  }
  get dh(): number {
    return this.dx >>> 8;
  }
  set dh(value: number) {
    this.#view.setUint8(At.gpr + Gpr.dx + 1, value);
  }
  get si(): number {
    return this.#get(At.gpr + Gpr.si);
  }
  set si(value: number) {
    this.#set(At.gpr + Gpr.si, value);
  }
  get di(): number {
    return this.#get(At.gpr + Gpr.di);
  }
  set di(value: number) {
    this.#set(At.gpr + Gpr.di, value);
  }
  get bp(): number {
    return this.#get(At.gpr + Gpr.bp);
  }
  set bp(value: number) {
    this.#set(At.gpr + Gpr.bp, value);
  }
  get eax(): number {
    return this.#view.getUint32(At.gpr + Gpr.ax, true);
  }
  set eax(value: number) {
    this.#view.setUint32(At.gpr + Gpr.ax, value, true);
  }
  get ebx(): number {
    return this.#view.getUint32(At.gpr + Gpr.bx, true);
  }
  set ebx(value: number) {
    this.#view.setUint32(At.gpr + Gpr.bx, value, true);
  }
  get ecx(): number {
    return this.#view.getUint32(At.gpr + Gpr.cx, true);
  }
  set ecx(value: number) {
    this.#view.setUint32(At.gpr + Gpr.cx, value, true);
  }
  get edx(): number {
    return this.#view.getUint32(At.gpr + Gpr.dx, true);
  }
  set edx(value: number) {
    this.#view.setUint32(At.gpr + Gpr.dx, value, true);
  }
  get esi(): number {
    return this.#view.getUint32(At.gpr + Gpr.si, true);
  }
  get edi(): number {
    return this.#view.getUint32(At.gpr + Gpr.di, true);
  }
  get es(): number {
    return this.#get(At.es);
  }
  set es(value: number) {
    this.#set(At.es, value);
  }
  get ds(): number {
    return this.#get(At.ds);
  }
  set ds(value: number) {
    this.#set(At.ds, value);
  }
  get ip(): number {
    return this.#get(At.ip);
  }
  get cs(): number {
    return this.#get(At.cs);
  }

  /** Where the caller goes on. */
  goTo(segment: number, offset: number): void {
    this.#set(At.cs, segment);
    this.#set(At.ip, offset);
  }

  get carry(): boolean {
    return (this.#get(At.flags) & Flag.Carry) !== 0;
  }
  set carry(on: boolean) {
    this.#flag(Flag.Carry, on);
  }
  set zero(on: boolean) {
    this.#flag(Flag.Zero, on);
  }
  /** Whether the caller goes on with interrupts enabled. */
  set interrupts(on: boolean) {
    this.#flag(Flag.Interrupt, on);
  }

  #flag(flag: number, on: boolean): void {
    const flags = this.#get(At.flags);
    this.#set(At.flags, on ? flags | flag : flags & ~flag);
  }
  #get(at: number): number {
    return this.#view.getUint16(at, true);
  }
  #set(at: number, value: number): void {
    this.#view.setUint16(at, value, true);
  }
}
