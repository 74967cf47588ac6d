/** Counts tests for the summary. A file that cannot be loaded and an error outside any test count as one failure each. */
import { writeFileSync } from 'node:fs';
import type { SerializedError } from 'vitest';
import type { Reporter, TestModule } from 'vitest/node';
import type { Summary } from './summary.ts';

export class SummaryReporter implements Reporter {
  readonly #path: string;

  constructor({ path }: { readonly path: string }) {
    this.#path = path;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    let passed = 0;
    let failed = unhandled.length;
    const skipped: { name: string; reason: string }[] = [];
    for (const module of modules) {
      failed += module.errors().length;
      for (const suite of module.children.allSuites()) failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') passed += 1;
        else if (result.state === 'failed') failed += 1;
        else {
          const reason = result.state === 'skipped' ? result.note : undefined;
          skipped.push({ name: `${module.relativeModuleId}: ${test.fullName}`, reason: reason ?? 'the test gives no reason' });
        }
      }
    }
    const summary: Summary = { passed, failed, skipped };
    writeFileSync(this.#path, `${JSON.stringify(summary, null, 2)}\n`);
  }
}
