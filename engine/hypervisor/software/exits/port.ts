/** IN and OUT are served here; INS and OUTS run on the processor with the bus open. */
import { FIELD, vcpuState } from '../../../cpu/index.ts';
import { COUNTER } from '../../index.ts';
import type { ExitHandler } from './context.ts';

/** Exit qualification (SDM vol. 3, table 27-5). */
const IN = 8;
const STRING = 0x10;
const GPR = vcpuState.fields.gpr.offset;

export const io: ExitHandler = (x) => {
  const { counters } = x.observation;
  counters.add(x.id, COUNTER['io-exits']);
  const qualification = x.monitor.get32(FIELD.exitQualification);
  if ((qualification & STRING) !== 0) {
    counters.add(x.id, COUNTER['insn-emulation']);
    return 'emulate';
  }
  const { s } = x.core;
  const { cpuHost } = x.host;
  const { u32, u16, u8 } = s.views;
  const port = qualification >>> 16;
  const size = ((qualification & 7) + 1) as 1 | 2 | 4;
  const rax = s.base + GPR;
  // Done before the device acts: what it starts may look at this vCPU.
  x.skip();
  if ((qualification & IN) === 0) {
    cpuHost.portWrite(
      x.id,
      port,
      size,
      size === 4 ? (u32[rax >>> 2] as number) : size === 2 ? (u16[rax >>> 1] as number) : (u8[rax] as number),
    );
    return undefined;
  }
  const value = cpuHost.portRead(x.id, port, size) >>> 0;
  if (size === 1) u8[rax] = value;
  else if (size === 2) u16[rax >>> 1] = value;
  else {
    u32[rax >>> 2] = value;
    u32[(rax >>> 2) + 1] = 0;
  }
  return undefined;
};
