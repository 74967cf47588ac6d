/** What `npm ci` runs after installing: the git hooks in a checkout, the projects that editors look for, then the build. */
import { buildAll } from './bundle.ts';
import { writeProjects } from './projects.ts';
import { inCheckout, run } from './run.ts';

if (inCheckout()) {
  const { code, output } = await run('git', ['config', 'core.hooksPath', '.githooks']);
  if (code !== 0) process.stdout.write(`commit hooks not enabled: ${output}`);
}
writeProjects();
await buildAll();
