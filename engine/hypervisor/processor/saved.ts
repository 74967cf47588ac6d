/** Saving and restoring the processors and interrupt controllers of a machine. */
import { EngineError } from '../../base/index.ts';
import type { Irqchip, SavedMachine } from '../index.ts';
import type { ProcessorVcpu } from './vcpu.ts';

interface Parts {
  readonly irqchip: Irqchip;
  readonly vcpus: readonly ProcessorVcpu[];
}

export function saveMachine({ irqchip, vcpus }: Parts): SavedMachine {
  const para = vcpus.map((vcpu) => vcpu.savePara());
  return {
    irqchip: irqchip.save(),
    vcpus: vcpus.map((vcpu) => vcpu.save()),
    ...(para.some((members) => members.length > 0) && { para }),
  };
}

/** Hostile input: refused with an `EngineError`, and then nothing is changed. */
export function restoreMachine(saved: SavedMachine, parts: Parts): void {
  const { irqchip, vcpus } = parts;
  const lists = [saved?.vcpus, saved?.para ?? vcpus.map(() => [])];
  const fits = lists.every((list) => Array.isArray(list) && list.length === vcpus.length);
  if (!fits || typeof saved.irqchip !== 'object' || saved.irqchip === null) {
    throw new EngineError('state-malformed', { part: 'machine', reason: `it is not a machine with ${vcpus.length} vCPUs` });
  }
  const before = saveMachine(parts);
  const apply = (state: SavedMachine) => {
    irqchip.restore(state.irqchip);
    for (const vcpu of vcpus) {
      vcpu.restore(state.vcpus[vcpu.id]);
      vcpu.restorePara(state.para?.[vcpu.id] ?? []);
    }
  };
  try {
    apply(saved);
  } catch (error) {
    apply(before);
    throw error;
  }
}
