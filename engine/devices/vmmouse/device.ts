/**
 * An absolute pointer for guests with a driver for VMware's. The guest asks by port; that something waits it hears from the PS/2 mouse.
 *
 * Threats: the guest controls four registers; each call moves at most four words of a bounded queue.
 * The person at the screen controls positions and buttons; when the guest does not read, the oldest events go.
 * Restored state is a queue of any bytes, which the guest would read as events of its own screen.
 */
import { bool, fifo8 } from '../../state/index.ts';
import { defineDevice } from '../device.ts';
import { definePort } from '../ports.ts';
import { Button, Command, EVENT_WORDS, EVENTS, FAULT, MAGIC, POINTER_VERSION, Pointer, UNSUPPORTED, VERSION } from './spec.ts';

/** Low halves of the general registers of the vCPU that executes the access. */
export interface CallRegisters {
  eax: number;
  ebx: number;
  ecx: number;
  edx: number;
}

export interface CallerRegisters {
  read(vcpu: number): CallRegisters;
  /** EAX is what the access returns. The upper halves become zero. */
  write(vcpu: number, registers: Omit<CallRegisters, 'eax'>): void;
}
const callerRegisters = definePort<CallerRegisters>('caller-registers', () => ({
  read: () => ({ eax: 0, ebx: 0, ecx: 0, edx: 0 }),
  write: () => undefined,
}));

/** The PS/2 mouse speaks, though it did not move. */
const bell = definePort<() => void>('bell', () => () => undefined);

export interface Point {
  /** 0 to FFFFh over the width and height of the screen. */
  readonly x: number;
  readonly y: number;
  /** Notches, towards the person positive. */
  readonly wheel: number;
  /** Held now: bit 0 left, 1 right, 2 middle. */
  readonly buttons: number;
}

const WORD = 4;

export const vmmouse = defineDevice({
  type: 'vmmouse',
  ports: { backdoor: 4 },
  widest: 4,
  needs: { registers: callerRegisters, bell },
  state: {
    enabled: bool({ id: 1, doc: 'The guest reads the pointer' }),
    absolute: bool({ id: 2, doc: 'It wants positions; moves go to the PS/2 mouse otherwise' }),
    queue: fifo8({ id: 3, depth: EVENTS * EVENT_WORDS * WORD, doc: 'Words that the guest has not read' }),
  },
  create({ state, registers, bell: ring }) {
    const push = (word: number) => {
      for (let i = 0; i < WORD; i++) state.queue.push((word >>> (8 * i)) & 0xff);
    };
    const shift = (): number => {
      let word = 0;
      for (let i = 0; i < WORD; i++) word |= (state.queue.shift() ?? 0) << (8 * i);
      return word >>> 0;
    };
    const words = () => Math.floor(state.queue.length / WORD);
    const enable = (enabled: boolean) => {
      state.enabled = enabled;
      state.absolute = false;
      state.queue.clear();
      if (enabled) push(POINTER_VERSION);
    };
    const point = (command: number) => {
      if (command === Pointer.Enable) enable(true);
      else if (command === Pointer.Disable) enable(false);
      else if (command === Pointer.Absolute) state.absolute = state.enabled;
      else if (command === Pointer.Relative) state.absolute = false;
    };

    const call = (vcpu: number): number => {
      const { eax, ebx, ecx, edx } = registers.read(vcpu);
      if (eax !== MAGIC) return UNSUPPORTED;
      switch (ecx & 0xffff) {
        case Command.Version:
          registers.write(vcpu, { ebx: MAGIC, ecx: VERSION.product, edx });
          return VERSION.protocol;
        case Command.Status:
          return state.enabled ? words() : FAULT;
        case Command.Pointer:
          point(ebx);
          return 0;
        case Command.Data: {
          if (ebx === 0 || ebx > EVENT_WORDS || ebx > words()) {
            enable(false);
            return FAULT;
          }
          const data = [shift(), ebx, ecx, edx];
          for (let i = 1; i < ebx; i++) data[i] = shift();
          registers.write(vcpu, { ebx: data[1] ?? 0, ecx: data[2] ?? 0, edx: data[3] ?? 0 });
          return data[0] ?? 0;
        }
        case Command.Restrict:
          return 0;
        default:
          return UNSUPPORTED;
      }
    };

    return {
      read: (at, size, vcpu) => (at === 0 && size === 4 ? call(vcpu) : UNSUPPORTED),
      write: () => undefined,
      api: {
        /** Whether the guest wants positions. */
        wanted: (): boolean => state.enabled && state.absolute,
        /** False when it does not want them. */
        point: ({ x, y, wheel, buttons }: Point): boolean => {
          if (!state.enabled || !state.absolute) return false;
          if (words() > (EVENTS - 1) * EVENT_WORDS) for (let i = 0; i < EVENT_WORDS; i++) shift();
          push((buttons & 1 ? Button.Left : 0) | (buttons & 2 ? Button.Right : 0) | (buttons & 4 ? Button.Middle : 0));
          push(Math.min(0xffff, Math.max(0, Math.round(x))));
          push(Math.min(0xffff, Math.max(0, Math.round(y))));
          push(wheel >>> 0);
          ring();
          return true;
        },
      },
    };
  },
});
