/** What `npm ci` runs after installing: the git hooks in a checkout, then the build. */
import { buildAll } from './bundle.ts';
import { inCheckout, run } from './run.ts';

if (inCheckout()) {
  const { code, output } = await run('git', ['config', 'core.hooksPath', '.githooks']);
  if (code !== 0) process.stdout.write(`commit hooks not enabled: ${output}`);
}
await buildAll();
