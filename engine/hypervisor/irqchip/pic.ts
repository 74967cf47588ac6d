/**
 * Two cascaded 8259A interrupt controllers with the edge/level registers of the PIIX3. Sources: Intel 8259A data sheet (231468),
 * Intel 82371SB data sheet, section 2.5. An edge stays latched when its line falls before the acknowledge, as KVM has it.
 *
 * Threats: a guest controls every register; all indices are masked to 3 bits and every loop runs over 8 lines.
 */
import type { MachineMemory } from '../../memory/index.ts';
import { array, bool, defineState } from '../../state/index.ts';

const pair = (id: number, doc: string, kvm: string, reset?: readonly number[], mask = 0xff) =>
  array('u8', 2, { id, doc, kvm: `kvm_pic_state.${kvm}`, mask, ...(reset ? { reset } : {}) });

export const picState = defineState('i8259', {
  lastIrr: pair(1, 'Level of each line when last looked at: master, slave', 'last_irr'),
  irr: pair(2, 'Requests', 'irr'),
  imr: pair(3, 'Masks', 'imr', [0, 0]),
  isr: pair(4, 'In service', 'isr'),
  priorityAdd: pair(5, 'Line of highest priority', 'priority_add', [0, 0], 7),
  irqBase: pair(6, 'Vector of line 0', 'irq_base', [0, 0], 0xf8),
  readIsr: pair(7, 'Port 0 reads ISR instead of IRR', 'read_reg_select', [0, 0], 1),
  poll: pair(8, 'The next read acknowledges', 'poll', [0, 0], 1),
  specialMask: pair(9, 'Masked lines in service do not block', 'special_mask', [0, 0], 1),
  initState: pair(10, 'Which initialization word comes next; 0: none', 'init_state', [0, 0], 3),
  autoEoi: pair(11, 'The acknowledge ends the interrupt', 'auto_eoi', [0, 0], 1),
  rotateOnAutoEoi: pair(12, 'and makes the line the lowest', 'rotate_on_auto_eoi', [0, 0], 1),
  nested: pair(13, 'Special fully nested mode', 'special_fully_nested_mode', [0, 0], 1),
  init4: pair(14, 'ICW4 will come', 'init4', [0, 0], 1),
  elcr: pair(15, 'Level-triggered lines', 'elcr'),
  output: bool({ id: 30, member: 'derived', doc: 'INTR of the master' }),
});

const MASTER = 0;
const SLAVE = 1;
const CASCADE = 2;
const SPURIOUS = 7;
/** Lines that the PIIX3 lets be level-triggered. */
const ELCR_MASK = [0xf8, 0xde] as const;

/** Which chip, and a bit number in it. */
type Chip = 0 | 1;

export interface Pic {
  readonly state: ReturnType<(typeof picState)['bind']>;
  /** Level of line 0..15. */
  setLine(line: number, active: boolean): void;
  /** INTR of the master. */
  readonly output: boolean;
  /** The vector of the request of highest priority, which is then in service; a spurious one when there is none. */
  acknowledge(): number;
  reset(): void;
  restored(): void;
}

/** `raised` is told when INTR goes up. Adds ports 20h, A0h, 4D0h. Everything runs under the machine lock. */
export function createPic(machine: MachineMemory, raised: () => void): Pic {
  const s = picState.bind(machine.memory, machine.arena.take('irqchip.pic', picState.size, picState.align));
  const get = (values: Uint8Array, chip: Chip) => values[chip] as number;
  const setBit = (values: Uint8Array, chip: Chip, mask: number, on: boolean) => {
    values[chip] = on ? get(values, chip) | mask : get(values, chip) & ~mask;
  };

  /** Distance of the first set line from the line of highest priority; 8 when none is set. */
  const firstOf = (chip: Chip, lines: number) => {
    for (let distance = 0; distance < 8; distance++)
      if ((lines >>> ((distance + get(s.priorityAdd, chip)) & 7)) & 1) return distance;
    return 8;
  };
  const lineAt = (chip: Chip, distance: number) => (distance + get(s.priorityAdd, chip)) & 7;

  /** The line that asks now, -1 when none does or one of higher priority is in service. */
  const asking = (chip: Chip) => {
    const first = firstOf(chip, get(s.irr, chip) & ~get(s.imr, chip));
    if (first === 8) return -1;
    let blocking = get(s.isr, chip);
    if (get(s.specialMask, chip)) blocking &= ~get(s.imr, chip);
    if (chip === MASTER && get(s.nested, chip)) blocking &= ~(1 << CASCADE);
    return first < firstOf(chip, blocking) ? lineAt(chip, first) : -1;
  };

  const update = () => {
    // The slave's INTR is a level on the master's line 2.
    setBit(s.irr, MASTER, 1 << CASCADE, asking(SLAVE) >= 0);
    const output = asking(MASTER) >= 0;
    if (output === s.output) return;
    s.output = output;
    if (output) raised();
  };

  const takeLine = (chip: Chip, line: number) => {
    const bit = 1 << line;
    if (get(s.autoEoi, chip)) {
      if (get(s.rotateOnAutoEoi, chip)) s.priorityAdd[chip] = (line + 1) & 7;
    } else {
      setBit(s.isr, chip, bit, true);
    }
    if ((get(s.elcr, chip) & bit) === 0) setBit(s.irr, chip, bit, false);
  };

  const initialize = (chip: Chip, word: number) => {
    s.initState[chip] = 1;
    s.init4[chip] = word & 1;
    s.lastIrr[chip] = 0;
    s.irr[chip] = get(s.irr, chip) & get(s.elcr, chip);
    for (const member of [s.imr, s.isr, s.priorityAdd, s.specialMask, s.readIsr, s.autoEoi, s.rotateOnAutoEoi, s.nested, s.poll])
      member[chip] = 0;
  };

  const command = (chip: Chip, word: number) => {
    const operation = word >>> 5;
    const line = word & 7;
    if (operation === 0 || operation === 4) s.rotateOnAutoEoi[chip] = operation >>> 2;
    else if (operation === 6) s.priorityAdd[chip] = (line + 1) & 7;
    else if (operation === 3 || operation === 7) {
      setBit(s.isr, chip, 1 << line, false);
      if (operation === 7) s.priorityAdd[chip] = (line + 1) & 7;
    } else if (operation === 1 || operation === 5) {
      const first = firstOf(chip, get(s.isr, chip));
      if (first === 8) return;
      const ended = lineAt(chip, first);
      setBit(s.isr, chip, 1 << ended, false);
      if (operation === 5) s.priorityAdd[chip] = (ended + 1) & 7;
    }
  };

  const writeCommand = (chip: Chip, word: number) => {
    if (word & 0x10) initialize(chip, word);
    else if (word & 0x08) {
      if (word & 0x04) s.poll[chip] = 1;
      if (word & 0x02) s.readIsr[chip] = word & 1;
      if (word & 0x40) s.specialMask[chip] = (word >>> 5) & 1;
    } else command(chip, word);
  };

  const writeData = (chip: Chip, word: number) => {
    const step = get(s.initState, chip);
    if (step === 0) s.imr[chip] = word;
    else if (step === 1) {
      s.irqBase[chip] = word & 0xf8;
      s.initState[chip] = 2;
    } else if (step === 2) {
      s.initState[chip] = get(s.init4, chip) ? 3 : 0;
    } else {
      s.nested[chip] = (word >>> 4) & 1;
      s.autoEoi[chip] = (word >>> 1) & 1;
      s.initState[chip] = 0;
    }
  };

  const read = (chip: Chip, at: number) => {
    if (get(s.poll, chip)) {
      s.poll[chip] = 0;
      const line = asking(chip);
      if (line < 0) return 0;
      takeLine(chip, line);
      update();
      return 0x80 | line;
    }
    if (at === 1) return get(s.imr, chip);
    return get(s.readIsr, chip) ? get(s.isr, chip) : get(s.irr, chip);
  };

  for (const chip of [MASTER, SLAVE] as const) {
    machine.bus.addPorts({
      name: `pic.${chip === MASTER ? 'master' : 'slave'}`,
      port: chip === MASTER ? 0x20 : 0xa0,
      count: 2,
      widest: 1,
      read: (at) => read(chip, at),
      write: (at, _size, value) => {
        if (at === 0) writeCommand(chip, value);
        else writeData(chip, value);
        update();
      },
    });
  }
  machine.bus.addPorts({
    name: 'pic.elcr',
    port: 0x4d0,
    count: 2,
    widest: 1,
    read: (at) => get(s.elcr, at as Chip),
    write: (at, _size, value) => {
      s.elcr[at] = value & (ELCR_MASK[at as Chip] ?? 0);
    },
  });

  return {
    state: s,
    setLine: (line, active) => {
      const chip: Chip = line < 8 ? MASTER : SLAVE;
      const bit = 1 << (line & 7);
      if (chip === MASTER && bit === 1 << CASCADE) return;
      const before = (get(s.lastIrr, chip) & bit) !== 0;
      if ((get(s.elcr, chip) & bit) !== 0) setBit(s.irr, chip, bit, active);
      else if (active && !before) setBit(s.irr, chip, bit, true);
      setBit(s.lastIrr, chip, bit, active);
      update();
    },
    get output() {
      return s.output;
    },
    acknowledge: () => {
      const line = asking(MASTER);
      let vector = get(s.irqBase, MASTER) + (line < 0 ? SPURIOUS : line);
      if (line >= 0) takeLine(MASTER, line);
      if (line === CASCADE) {
        const behind = asking(SLAVE);
        if (behind >= 0) takeLine(SLAVE, behind);
        vector = get(s.irqBase, SLAVE) + (behind < 0 ? SPURIOUS : behind);
      }
      update();
      return vector;
    },
    reset: () => {
      picState.reset(s);
    },
    restored: () => {
      s.output = false;
      update();
    },
  };
}
