/** `rootmode debug`: the monitor of a running machine from another terminal, with word of every stop. */
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { type Command, methodName } from '../../contract/command.ts';
import { EngineError } from '../../contract/errors.ts';
import { eventSchemas } from '../../contract/events.ts';
import { firstProblem } from '../../contract/problem-text.ts';
import type { Dispatcher } from '../../contract/serve.ts';
import { connectEngine } from '../engine-connection.ts';
import { createMonitor } from '../monitor.ts';
import { type EngineClient, type WatchOutput, withMachine } from './session.ts';

/** Lines of `input` are commands until it ends or one of them leaves. */
export async function debug(name: string | undefined, input: Readable, output: WatchOutput): Promise<void> {
  await withMachine(name, output, async (client, chosen) => {
    const events = await connectEngine(chosen);
    let left = false;
    events.onEvent(({ event, data }) => {
      const told = event === 'machine-stopped' ? eventSchemas['machine-stopped'].safeParse(data).data?.stopped : undefined;
      if (told !== undefined)
        output.note(`Stopped${told.vcpu === undefined ? '' : ` on vCPU ${told.vcpu}`}: ${told.what ?? told.why}`);
    });
    const monitor = createMonitor({
      dispatcher: callerOf(client),
      print: (text) => void output.write(text),
      leave: () => {
        left = true;
      },
    });
    try {
      await events.request({ execute: 'events-subscribe', arguments: { events: ['machine-stopped'] } });
      monitor.enter();
      // Made only now: lines that come before somebody waits for them are lost.
      for await (const line of createInterface({ input })) {
        await monitor.line(line);
        if (left) break;
      }
    } finally {
      input.destroy();
      events.close();
    }
  });
}

function callerOf(client: EngineClient): Pick<Dispatcher, 'call'> {
  const methods = client as unknown as Record<string, (params: unknown) => Promise<never>>;
  return {
    call: async (command: Command, params: unknown) => {
      const parsed = command.params.safeParse(params);
      if (!parsed.success)
        throw new EngineError('arguments-invalid', { command: command.name, reason: firstProblem(parsed.error) });
      return (methods[methodName(command.name)] as (typeof methods)[string])(params);
    },
  };
}
