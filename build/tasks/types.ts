/** `npm run types`: check every TypeScript project against the layers. Prints the compiler's findings; exit status 1 when there are any. */
import { writeProjects } from './projects.ts';
import { tool } from './run.ts';

const { code } = await tool('vue-tsc/bin/vue-tsc.js', ['--build', writeProjects()], { show: true });
process.exitCode = code === 0 ? 0 : 1;
