/** The commands of a manager, carried out on the library. */
import { EngineError } from '../contract/errors.ts';
import { failureOf } from '../contract/failure.ts';
import {
  hostCapabilities,
  libraryChange,
  libraryCopy,
  libraryCreate,
  libraryExport,
  libraryForget,
  libraryImport,
  libraryList,
  libraryLog,
  libraryRemove,
  libraryRemoved,
  libraryRename,
  libraryRestore,
  libraryStart,
  libraryThumbnail,
  type MachineSummary,
} from '../contract/library-commands.ts';
import { parseLog } from '../contract/log-entries.ts';
import { StoredSettings } from '../contract/machine-file.ts';
import { firstProblem } from '../contract/problem-text.ts';
import { createDispatcher, type Dispatcher, serve } from '../contract/serve.ts';
import { hostVmx } from '../contract/vmx-capabilities.ts';
import { hostCapabilities as capabilitiesNow } from './capabilities.ts';
import { readFailure } from './failure-file.ts';
import { serveImages } from './image-serving.ts';
import type { StartTool } from './image-tool.ts';
import { Jobs } from './jobs.ts';
import type { Library, LibraryEntry, MachineChange } from './library.ts';
import { type EngineProgram, readLog, startEngine } from './supervisor.ts';
import { readThumbnail } from './thumbnail.ts';
import { vmxReader } from './vmx.ts';

export interface ManagerParts {
  /** The long work; absent: nobody watches it. */
  readonly jobs?: Jobs;
  /** The command line in a process of its own. */
  readonly tool?: StartTool;
}

export function createManagerDispatcher(
  library: Library,
  program: EngineProgram,
  { jobs = new Jobs(), tool }: ManagerParts = {},
): Dispatcher {
  return createDispatcher({
    context: undefined,
    status: () => 'running',
    served: [
      serve(libraryList, () => ({ folder: library.root, machines: library.list().map(summaryOf) })),
      serve(libraryCreate, async (machine) => {
        const filled = machine.emptyDisks.some(({ preallocate }) => preallocate);
        if (!filled) return summaryOf(library.create(machine));
        return summaryOf(
          await jobs.begin({ kind: 'create', title: machine.name }, (work) => library.createFilled(machine, work)).end,
        );
      }),
      serve(libraryChange, ({ name, settings, ...notes }) => {
        const change = settings === undefined ? {} : { settings: changedSettings(library.entry(name), settings) };
        return summaryOf(library.change(name, { ...present(notes), ...change }));
      }),
      serve(libraryImport, async ({ path, to, allowOutside }) =>
        summaryOf(
          await jobs.begin({ kind: 'import', title: to }, (work) => library.import(path, to, { work, allowOutside })).end,
        ),
      ),
      serve(libraryExport, async ({ name, path }) => {
        await jobs.begin(
          { kind: 'export', title: name },
          (work) => library.export(name, path, work),
          () => ({ path }),
        ).end;
        return {};
      }),
      serve(libraryRename, ({ name, to }) => summaryOf(library.rename(name, to))),
      serve(libraryCopy, async ({ name, to }) =>
        summaryOf(await jobs.begin({ kind: 'copy', title: to }, (work) => library.copy(name, to, work)).end),
      ),
      serve(libraryRemove, ({ name }) => library.remove(name)),
      serve(libraryRemoved, () => ({ machines: library.removed() })),
      serve(libraryRestore, ({ token }) => summaryOf(library.restore(token))),
      serve(libraryForget, ({ token }) => {
        library.forget(token);
        return {};
      }),
      serve(libraryStart, async ({ name }) => {
        const entry = library.entry(name);
        if ('problem' in entry) throw entry.problem;
        if (entry.busy) throw new EngineError('machine-busy', { name });
        if (entry.pid !== undefined) throw new EngineError('machine-locked', { name, pid: entry.pid });
        return { pid: await startEngine(program, entry) };
      }),
      serve(libraryLog, ({ name, lines }) => {
        const { folder } = library.entry(name);
        const failure = readFailure(folder);
        const log = readLog(folder, lines);
        return { lines: log, entries: parseLog(log), ...(failure !== undefined && { failure }) };
      }),
      serve(libraryThumbnail, ({ name }) => {
        const thumbnail = readThumbnail(library.entry(name).folder);
        return thumbnail === undefined ? {} : { thumbnail };
      }),
      serve(hostCapabilities, capabilitiesNow),
      serve(hostVmx, vmxReader(tool)),
      ...serveImages(library, { jobs, tool }),
    ],
  });
}

/** What the settings would be, checked whole: a change may only be wrong together with what stays. Null is what goes. */
function changedSettings(entry: LibraryEntry, change: Readonly<Record<string, unknown>>): NonNullable<MachineChange['settings']> {
  if ('problem' in entry) throw entry.problem;
  const all = Object.entries({ ...entry.file.settings, ...change });
  const parsed = StoredSettings.safeParse(Object.fromEntries(all.filter(([, value]) => value !== null)));
  const gone = all.filter(([key, value]) => value === null && Object.hasOwn(StoredSettings.shape, key));
  if (parsed.success) return { ...Object.fromEntries(gone), ...parsed.data };
  const setting = String(parsed.error.issues[0]?.path[0] ?? 'settings');
  throw new EngineError('setting-invalid', {
    setting,
    value: JSON.stringify(change[setting] ?? null).slice(0, 64),
    reason: firstProblem(parsed.error).replace(`${setting}: `, ''),
  });
}

function present<T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}

function summaryOf(entry: LibraryEntry): MachineSummary {
  const { name, folder, pid, crashed, busy } = entry;
  const state = { ...(pid !== undefined && { pid }), ...(crashed && { crashed }), ...(busy && { busy }) };
  const common = { name, folder, ...state };
  if ('problem' in entry) return { ...common, problem: entry.problem.message, failure: failureOf(entry.problem) };
  const { format: _format, version: _version, ...rest } = entry.file;
  return { ...common, ...rest };
}
