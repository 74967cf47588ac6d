import { expect, it } from 'vitest';
import { messageFindings } from './tasks/commit-rules.ts';

it.each([
  ['cpu: compute the auxiliary carry of ADC\n\nThe old form forgot the incoming carry.\n', 0],
  ['Merge branch x\n', 0],
  ['devices/uart: drop bytes when full\n\nAs the chip does.\n# a comment of git\n', 0],
  ['fixed things\n\nbody\n', 1],
  ['cpu: ends with a stop.\n\nbody\n', 1],
  [`cpu: ${'x'.repeat(70)}\n\nbody\n`, 1],
  ['cpu: no body\n', 1],
  ['cpu: no empty line\nbody\n', 2],
])('%j has %i findings', (message, findings) => {
  expect(messageFindings(message)).toHaveLength(findings);
});
