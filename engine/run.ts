/**
 * First code of an engine process: `rootmode run` starts here. The machine's threads load while this one does; what it is to do is read
 * after that.
 */
import { loadProgram } from './host/kept-code.ts';
import { prepareMachineThreads } from './prepared-threads.ts';

const prepared = prepareMachineThreads();
const { main } = loadProgram(new URL('./run-command.ts', import.meta.url)) as typeof import('./run-command.ts');
void main(process.argv.slice(2), prepared).then((status) => {
  process.exitCode = status;
});
