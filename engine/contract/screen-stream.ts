/** Commands of the screen as a stream; its records are `screen-record.ts`. */
import * as z from 'zod';
import { command } from './command.ts';
import { nothing } from './values.ts';

export const screenStream = command({
  name: 'screen-stream',
  since: '0.1',
  doc: 'Turn this connection into a stream of what the screen shows: after the answer come binary records (contract/screen-record.ts) until it is closed.',
  allowedIn: ['running', 'paused'],
  params: nothing,
  result: nothing,
  errors: ['screen-missing', 'screen-viewers', 'machine-not-answering'],
});

export const screenShown = command({
  name: 'screen-shown',
  since: '0.1',
  doc: 'A record of a screen’s stream was shown: another one may come. Confirms all earlier ones; for a stream that is over it does nothing.',
  allowedIn: ['running', 'paused'],
  params: z.strictObject({ stream: z.int().positive(), serial: z.int().nonnegative() }),
  result: nothing,
  errors: [],
});
