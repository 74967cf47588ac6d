/**
 * What is injected at the next VM entry: an event whose delivery an exit broke off, an NMI, an interrupt; and the exits asked for when it
 * cannot be taken yet (interrupt and NMI window, TPR threshold).
 */
import { REQUEST, type Requests } from '../../base/index.ts';
import { FIELD, FLAG, PROC, type VcpuState, type VmxMonitor } from '../../cpu/index.ts';
import { COUNTER, type Irqchip, type Observation, PROBE } from '../index.ts';
import type { ProcessorHost } from '../processor/index.ts';
import type { Para } from './para/para.ts';

const VALID = 0x8000_0000;
const HAS_ERROR = 0x800;
/** Interruption types (SDM vol. 3, table 24-16). */
const TYPE = { external: 0, nmi: 2, exception: 3, software: 4 } as const;
const NMI_VECTOR = 2;
/** `shadow` after MOV SS. */
const MOV_SS = 2;
const WINDOWS = PROC.interruptWindow | PROC.nmiWindow;

export interface EventParts {
  readonly id: number;
  readonly s: VcpuState;
  readonly monitor: VmxMonitor;
  readonly requests: Requests;
  readonly irqchip: Irqchip;
  readonly host: ProcessorHost;
  readonly observation: Observation;
  readonly para: Para;
}

export class Events {
  readonly #p: EventParts;

  constructor(parts: EventParts) {
    this.#p = parts;
  }

  /** An event is to be injected at the next entry. */
  get injecting(): boolean {
    return (this.#p.monitor.get32(FIELD.entryInterruptionInfo) & VALID) !== 0;
  }

  exception(vector: number, errorCode: number | undefined): void {
    this.#inject({ vector, type: TYPE.exception, ...(errorCode === undefined ? {} : { errorCode }) });
  }

  /** After an exit: the event that was being delivered is injected again (SDM vol. 3, 24.9.3). */
  again(): void {
    const { monitor, s } = this.#p;
    const info = monitor.get32(FIELD.vectoringInfo);
    if ((info & VALID) === 0) return;
    const type = (info >>> 8) & 7;
    if (type === TYPE.nmi) s.nmiBlocked = 0;
    monitor.set32(FIELD.entryInterruptionInfo, info);
    if ((info & HAS_ERROR) !== 0) monitor.set32(FIELD.entryExceptionError, monitor.get32(FIELD.vectoringError));
    if (type >= TYPE.software) monitor.set32(FIELD.entryInstructionLength, monitor.get32(FIELD.exitInstructionLength));
  }

  /** Choose what goes in now and which windows are awaited. False: nothing of it can be told before the guest has gone on a little. */
  prepare(): boolean {
    const { id, s, requests, irqchip } = this.#p;
    // Traps of the last instruction come before interrupts (SDM vol. 3, table 6-2).
    if (s.excPending !== 0 || (s.debugTraps !== 0 && s.shadow !== MOV_SS)) return false;
    let windows = 0;
    this.#secondNmi();
    if ((requests.pending(id) & REQUEST.nmi) !== 0) {
      if (this.injecting || s.nmiBlocked !== 0 || s.shadow !== 0) windows |= PROC.nmiWindow;
      else this.#nmi();
    }
    let waits = irqchip.pending(id);
    if (waits && !this.injecting && (s.sysFlags & FLAG.I) !== 0 && s.shadow === 0) {
      this.#interrupt();
      waits = irqchip.pending(id);
    }
    if (waits) windows |= PROC.interruptWindow;
    this.#await(windows);
    this.#threshold();
    return true;
  }

  #nmi(): void {
    const { id, requests, observation } = this.#p;
    requests.served(id, REQUEST.nmi);
    this.#secondNmi();
    observation.counters.add(id, COUNTER['nmi-injections']);
    this.#inject({ vector: NMI_VECTOR, type: TYPE.nmi });
  }

  /** Two can wait. Whoever sent the second may say so only after the first was taken. */
  #secondNmi(): void {
    const { id, requests, irqchip } = this.#p;
    const { state } = irqchip.lapics.of(id);
    if (state.nmiQueued === 0 || (requests.pending(id) & REQUEST.nmi) !== 0) return;
    state.nmiQueued = 0;
    requests.raiseOne(id, REQUEST.nmi | REQUEST.interrupt);
  }

  #interrupt(): void {
    const { id, irqchip, host, observation, para } = this.#p;
    const fromPic = irqchip.pendingFromPic(id);
    const vector = fromPic ? host.call(id, () => irqchip.acknowledge(id)) : irqchip.acknowledge(id);
    if (vector < 0) return;
    observation.counters.add(id, COUNTER['irq-injections']);
    this.#inject({ vector, type: TYPE.external });
    if (!fromPic) para.interruptInjected();
  }

  #inject({ vector, type, errorCode }: { readonly vector: number; readonly type: number; readonly errorCode?: number }): void {
    const { id, monitor, observation } = this.#p;
    monitor.set32(FIELD.entryInterruptionInfo, (VALID | (errorCode === undefined ? 0 : HAS_ERROR) | (type << 8) | vector) >>> 0);
    if (errorCode !== undefined) monitor.set32(FIELD.entryExceptionError, errorCode);
    const { probes } = observation;
    if (probes.on(id, PROBE.inject)) probes.fire(id, 'inject', { vector, kind: type, error: errorCode ?? 0 });
  }

  #await(windows: number): void {
    const { monitor } = this.#p;
    const before = monitor.get32(FIELD.procControls);
    const after = ((before & ~WINDOWS) | windows) >>> 0;
    if (after !== before) monitor.set32(FIELD.procControls, after);
  }

  /** An interrupt that the task priority holds back is looked at again when the guest lowers it. */
  #threshold(): void {
    const { id, irqchip, monitor } = this.#p;
    const waits = irqchip.lapics.of(id).requested >>> 4;
    const threshold = waits <= 15 && waits <= irqchip.getTpr(id) ? waits : 0;
    if (threshold !== monitor.get32(FIELD.tprThreshold)) monitor.set32(FIELD.tprThreshold, threshold);
  }
}
