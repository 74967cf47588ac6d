/**
 * `node build/tasks/picture.ts < TRANSCRIPT > assets/boot.svg`: a terminal transcript as a picture. The text is the input's own lines;
 * control sequences are dropped, long lines are cut at the window's edge as a terminal would.
 */
import { readFileSync } from 'node:fs';

const columns = 104;
const cell = { width: 7.8, height: 17 } as const;
const margin = 18;
const bar = 30;

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** Printable text of the lines: no escape sequences, no other control characters. */
export function plainLines(transcript: string): readonly string[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed
  const visible = transcript.replace(/\x1b\[[0-9;?]*[ -/]*[@-~]/g, '').replace(/[\x00-\x08\x0b-\x1f\x7f]/g, '');
  return visible.trimEnd().split('\n').map(withoutTabs);
}

/** Tabs as a terminal shows them: blanks up to the next multiple of eight. */
function withoutTabs(line: string): string {
  return line.split('\t').reduce((done, part) => `${done.padEnd((Math.floor(done.length / 8) + 1) * 8)}${part}`);
}

/** The picture, text in a system font of fixed width. A line that begins with `$ ` is what the user typed on the host. */
export function terminalPicture(lines: readonly string[]): string {
  const width = Math.round(columns * cell.width + 2 * margin);
  const height = lines.length * cell.height + 2 * margin + bar;
  const rows = lines.map((line, index) => {
    const y = bar + margin + (index + 0.75) * cell.height;
    const kind = line.startsWith('$ ') ? ' class="typed"' : '';
    return `<text x="${margin}" y="${y}"${kind}>${escaped(line.slice(0, columns))}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" viewBox="0 0 ${width} ${height}" role="img" aria-label="A terminal in which Rootmode boots Linux">
<style>text{font:13px ui-monospace,Menlo,Consolas,monospace;fill:#c9d1d9;white-space:pre}.typed{fill:#7ee787}</style>
<rect width="${width}" height="${height}" rx="8" fill="#0d1117"/>
<circle cx="20" cy="16" r="5" fill="#f2665c"/><circle cx="38" cy="16" r="5" fill="#f4be4f"/><circle cx="56" cy="16" r="5" fill="#5fc454"/>
${rows.join('\n')}
</svg>
`;
}

if (import.meta.main) process.stdout.write(terminalPicture(plainLines(readFileSync(0, 'utf8'))));
