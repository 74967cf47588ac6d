/** Composition root of a machine's I/O thread, the only one with ports of the host open. A program of its own: see build/entries.ts. */
import { calendarOf, monotonicSince } from './host/clock.ts';
import { readRegularFile } from './host/files.ts';
import { turn } from './host/process.ts';
import { randomBytes } from './host/randomness.ts';
import { openOutputFile, openStandardInput, openStandardOutput } from './host/streams.ts';
import { parent, threadData } from './host/threads.ts';
import { buildIoMachine } from './machine/build.ts';
import { runIoThread } from './machine/io-thread.ts';
import type { FromIo, ThreadPlan, ToIo } from './machine/messages.ts';
import { openMedium } from './media.ts';

void threadData().then(async (data) => {
  const plan = data as ThreadPlan;
  const channel = parent<FromIo, ToIo>();
  const hostNow = monotonicSince(plan.clockOrigin);
  const machine = buildIoMachine(plan, {
    hostNow,
    calendar: calendarOf(plan.settings.rtc),
    onEvent: (event) => channel.post({ kind: 'event', event }),
    onTone: (hertz) => channel.post({ kind: 'tone', hertz }),
  });
  const host = {
    readFile: readRegularFile,
    randomBytes,
    openStandardOutput,
    openOutputFile,
    openStandardInput,
    openImage: openMedium,
    turn,
    milliseconds: () => hostNow() / 1e6,
  };
  await runIoThread({ plan, machine, host, channel });
  channel.close();
});
