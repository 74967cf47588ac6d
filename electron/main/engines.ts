/** Engines under Electron: a utility process for each running machine. They end with the program, which therefore asks before it quits. */
import { createWriteStream } from 'node:fs';
import type { utilityProcess } from 'electron';
import { type StartTool, toolEnvironment } from '../../engine/manager/image-tool.ts';
import type { EngineProgram, LaunchedEngine } from '../../engine/manager/supervisor.ts';

export interface EnginesOptions {
  readonly fork: typeof utilityProcess.fork;
  /** The program of the command line, whose `run --machine FOLDER` is an engine. */
  readonly program: string;
  /** An engine ended by itself with something else than success. */
  onFailure(folder: string): void;
}

export interface Engines {
  readonly launch: EngineProgram['launch'];
  /** Folders of the machines whose engines run. */
  running(): readonly string[];
}

/**
 * Path of a program for a process or thread of its own. Those start from files: in a package, from the ones unpacked beside the archive.
 */
export function outsideArchive(path: string): string {
  return path.replace(/([\\/]app\.asar)([\\/])/, '$1.unpacked$2');
}

export function createEngines({ fork, program, onFailure }: EnginesOptions): Engines {
  const folders = new Set<string>();
  const launch = ({ folder, log }: { readonly folder: string; readonly log: string }): LaunchedEngine => {
    const child = fork(program, ['run', '--machine', folder], { cwd: folder, stdio: 'pipe', serviceName: 'Rootmode engine' });
    const file = createWriteStream(log, { flags: 'a' });
    file.on('error', () => undefined); // a full disk costs the log, not the machine
    child.stdout?.pipe(file, { end: false });
    child.stderr?.pipe(file, { end: false });
    folders.add(folder);
    const listeners: ((end: number | string) => void)[] = [];
    child.once('exit', (code) => {
      folders.delete(folder);
      // What the process said last is in the file before anybody reads it.
      file.end(() => {
        for (const listener of listeners) listener(code);
        if (code !== 0) onFailure(folder);
      });
    });
    return {
      get pid() {
        return child.pid;
      },
      onEnd: (listener) => void listeners.push(listener),
    };
  };
  return { launch, running: () => [...folders] };
}

/** `rootmode image` in a utility process. */
export function forkedTool(fork: typeof utilityProcess.fork, program: string): StartTool {
  return (words) => {
    const child = fork(program, [...words], { env: toolEnvironment(), stdio: 'pipe', serviceName: 'Rootmode image' });
    child.stdout?.setEncoding('utf8').resume();
    child.stderr?.setEncoding('utf8');
    return {
      onOutput: (listener) => void child.stdout?.on('data', listener),
      onError: (listener) => void child.stderr?.on('data', listener),
      onEnd: (listener) => void child.once('exit', listener),
      stop: () => void child.kill(),
    };
  };
}
