/** The keys that a terminal keeps from the guest: Ctrl-A and a letter, as other machines' serial consoles have it. */

const CTRL_A = 0x01;

export interface EscapeFilter {
  /** Bytes for the guest, in order; what was an escape is taken out and acted upon. */
  feed(bytes: Uint8Array): Uint8Array;
}

export interface EscapeActions {
  quit(): void;
  /** `rest` was typed after the key and is the monitor's. */
  monitor(rest: Uint8Array): void;
}

/** `x` or `X` quits, `c` or `C` opens the monitor, Ctrl-A again sends one Ctrl-A; any other key after Ctrl-A is nobody's. */
export function createEscapeFilter(actions: EscapeActions): EscapeFilter {
  let escaped = false;
  return {
    feed: (bytes) => {
      if (!escaped && !bytes.includes(CTRL_A)) return bytes;
      const kept = new Uint8Array(bytes.length);
      let length = 0;
      for (const [at, byte] of bytes.entries()) {
        if (!escaped) {
          if (byte === CTRL_A) escaped = true;
          else kept[length++] = byte;
          continue;
        }
        escaped = false;
        const letter = byte | 0x20;
        if (byte === CTRL_A) kept[length++] = CTRL_A;
        else if (letter === 0x78) actions.quit();
        else if (letter === 0x63) {
          actions.monitor(bytes.subarray(at + 1));
          break;
        }
      }
      return kept.slice(0, length);
    },
  };
}
