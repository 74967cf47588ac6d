/** What VMX offers. The manager knows no processor: `rootmode capabilities` says it, in a process of its own, asked once. */
import { EngineError } from '../contract/errors.ts';
import { VmxCapabilities } from '../contract/vmx-capabilities.ts';
import type { StartTool } from './image-tool.ts';

/** Longest answer that is read, in characters; it has some tens of thousands. */
const MOST = 1 << 20;

export function vmxReader(start: StartTool | undefined): () => Promise<VmxCapabilities> {
  let known: Promise<VmxCapabilities> | undefined;
  return () => {
    known ??= read(start).catch((failure: unknown) => {
      known = undefined;
      throw failure;
    });
    return known;
  };
}

async function read(start: StartTool | undefined): Promise<VmxCapabilities> {
  if (start === undefined) throw new EngineError('vmx-unread', { reason: 'this program cannot do that.' });
  const tool = start(['capabilities', '--vmx', '--json']);
  let output = '';
  let said = '';
  tool.onOutput((text) => {
    output = (output + text).slice(0, MOST);
  });
  tool.onError((text) => {
    said = (said + text).slice(-1000);
  });
  const end = await new Promise<number | string>((resolve) => tool.onEnd(resolve));
  if (end !== 0) throw new EngineError('vmx-unread', { reason: said.trim() || `its process ended: ${end}` });
  const parsed = VmxCapabilities.safeParse(textOf(output));
  if (!parsed.success) throw new EngineError('vmx-unread', { reason: 'the answer makes no sense.' });
  return parsed.data;
}

function textOf(output: string): unknown {
  try {
    return JSON.parse(output);
  } catch {
    return undefined;
  }
}
