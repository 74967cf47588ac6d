/** What happens between two instructions: queued exceptions and exits, requests of other threads, interrupts, waking up. */
import { VmExit } from './context.ts';
import { FLAG } from './flags.ts';
import { InstructionContext } from './instruction-context.ts';
import { queuedExit } from './linear-memory.ts';
import { PENDING_ALONE, PENDING_EXIT } from './routines/ept.ts';
import { DELIVERY } from './routines/privilege.ts';
import { REQUEST } from './state.ts';
import type { CpuEvent } from './system/delivery.ts';
import { deliverEvent } from './system/events.ts';
import { VECTOR } from './system/faults.ts';
import { ACTIVITY, initBlocked, wake, wakes } from './system/idle.ts';
import { exitBetween, exitsOnInterrupt, interruptExit } from './vmx/between.ts';
import { injectEvent, injected } from './vmx/entry.ts';
import { isTrapped } from './vmx/event-exits.ts';
import { exitGuest } from './vmx/exit.ts';

const KICK = new VmExit(1);
/** Interruption information of an external interrupt: valid, type 0. */
const EXTERNAL = 0x80000000 | 0;
const STOPPING = REQUEST.stop | REQUEST.sync | REQUEST.init | REQUEST.sipi;

export abstract class EventContext extends InstructionContext {
  /** Interrupts and NMIs wait: somebody steps through this code and no other. */
  holdsEvents = false;
  /** The next instruction is run by itself. */
  protected alone = false;
  /** Vector of the last exception an instruction raised; -1: none since it was set so. */
  faulted = -1;

  protected debugTrap(midRepeat = false): void {
    const debug = this.s.debugTraps;
    this.s.debugTraps = 0;
    this.notice({ kind: 'exception', vector: VECTOR.DB });
    deliverEvent(this, { vector: 1, kind: 'trap', debug, midRepeat });
  }

  protected deliverException(): void {
    const { s } = this;
    if (s.excPending === PENDING_ALONE) {
      s.excPending = 0;
      this.alone = true;
      return;
    }
    const software = this.software;
    this.software = undefined;
    s.softwareFault = 0;
    if (s.excPending === PENDING_EXIT) {
      const exit = this.exit ?? queuedExit(s);
      this.exit = undefined;
      s.excPending = 0;
      exitGuest(this, exit, software);
      return;
    }
    this.#notice(s.excVector);
    this.faulted = s.excVector;
    if (this.#deliverAsUsual(software)) return;
    s.excPending = 0;
    const errorCode = s.excHasError !== 0 ? s.excError : undefined;
    const late = this.late;
    this.late = false;
    deliverEvent(
      this,
      {
        vector: s.excVector,
        kind: 'fault',
        ...(errorCode === undefined ? {} : { errorCode }),
        ...(s.excVector === 14 ? { cr2: s.excAddress } : {}),
        ...(s.excVector === 1 ? { debug: s.debugTraps } : {}),
      },
      software,
    );
    if (!late) s.debugTraps = 0;
  }

  #notice(vector: number): void {
    const { s } = this;
    // Of what its monitor takes, the guest knows only what is injected.
    if (this.watcher === undefined || (s.monitored !== 0 && s.nonRoot !== 0 && isTrapped(this, vector, s.excError))) return;
    const error = s.excHasError !== 0 ? s.excError : undefined;
    this.notice({ kind: 'exception', vector, error, address: vector === VECTOR.PF ? s.excAddress : undefined });
  }

  /** Generated code delivers the event, where nothing about it is unusual. */
  protected abstract deliverQuickly(vector: number, what: number): boolean;

  #deliverAsUsual(software: CpuEvent | undefined): boolean {
    const { s } = this;
    const { excVector, excHasError } = s;
    if (software !== undefined || this.late || excVector === VECTOR.DB) return false;
    if (s.nonRoot !== 0 && isTrapped(this, excVector, s.excError)) return false;
    return this.deliverQuickly(excVector, excHasError === 0 ? DELIVERY.fault : DELIVERY.fault | DELIVERY.error);
  }

  protected wakeUp(): boolean {
    const { s } = this;
    if (s.activity === ACTIVITY.shutdown || s.activity === ACTIVITY.waitForSipi || this.holdsEvents) return false;
    if (!wakes(this)) return false;
    wake(s);
    this.serveRequests();
    return true;
  }

  /** Returns true when run() has to return. */
  protected serveRequests(): boolean {
    const { s } = this;
    const { i32 } = this.machine;
    if (this.left === 'exit') return false;
    let word = Atomics.load(i32, this.requestWord);
    if ((word & ~(REQUEST.debug | REQUEST.window)) === 0) return false;
    if ((word & REQUEST.flushTlb) !== 0) {
      Atomics.and(i32, this.requestWord, ~REQUEST.flushTlb);
      this.tlb.clear();
      this.modeChanged();
      word &= ~REQUEST.flushTlb;
    }
    if (s.monitored !== 0 && s.nonRoot !== 0) {
      // Whoever wants this vCPU reaches its monitor, which looks at the request word itself.
      if ((word & (STOPPING | REQUEST.interrupt)) !== 0) exitGuest(this, KICK);
      return false;
    }
    if (initBlocked(s)) word &= ~REQUEST.init;
    if ((word & STOPPING) !== 0) return true;
    if (s.activity === ACTIVITY.shutdown || s.activity === ACTIVITY.waitForSipi || this.holdsEvents) return false;
    if ((word & REQUEST.nmi) !== 0 && s.nmiBlocked === 0 && s.shadow === 0) {
      Atomics.and(i32, this.requestWord, ~REQUEST.nmi);
      deliverEvent(this, { vector: 2, kind: 'nmi' });
      return false;
    }
    if ((word & REQUEST.interrupt) !== 0 && (s.shadow === 0 || exitsOnInterrupt(s))) this.#serveInterrupt();
    return false;
  }

  /** Still in the guest: no event exited. */
  get #inGuest(): boolean {
    return this.s.nonRoot !== 0 && this.left !== 'exit';
  }

  #serveInterrupt(): void {
    const { s, host, index } = this;
    const { i32 } = this.machine;
    if (exitsOnInterrupt(s)) {
      const exit = interruptExit(this);
      if (exit === undefined) Atomics.and(i32, this.requestWord, ~REQUEST.interrupt);
      else exitGuest(this, exit);
      return;
    }
    if ((s.sysFlags & FLAG.I) === 0) return;
    Atomics.and(i32, this.requestWord, ~REQUEST.interrupt);
    const vector = host.acknowledgeInterrupt(index);
    if (host.interruptPending(index)) Atomics.or(i32, this.requestWord, REQUEST.interrupt);
    if (vector < 0) return;
    if (this.deliverQuickly(vector, 0)) wake(s);
    else deliverEvent(this, { vector, kind: 'interrupt' });
  }

  /** An external interrupt that VM entry injects, where nothing about it is unusual. */
  #injectQuickly(): boolean {
    const { s } = this;
    if ((s.injecting & 0xffffff00) !== EXTERNAL || !this.deliverQuickly(s.injecting & 0xff, 0)) return false;
    injected(this);
    wake(s);
    return true;
  }

  /** Did something exit to the monitor? Then `run` returns. */
  protected takeExit(): boolean {
    if (this.left !== 'exit') return false;
    this.left = undefined;
    return true;
  }

  protected betweenGuest(): void {
    const { s } = this;
    if (!this.#inGuest) return;
    if (s.injecting !== 0 && !this.#injectQuickly()) injectEvent(this);
    if (this.#inGuest && s.debugTraps !== 0 && s.shadow !== 2) this.debugTrap();
    if (this.#inGuest) exitBetween(this);
  }
}
