/** The diagram of layers in ARCHITECTURE.md: drawn from the table, with the edges that follow from others left out. */
import { importsOf, type Layer, layers } from '../layers.ts';

const begin = '<!-- layers: begin (npm run layers -- --write) -->';
const end = '<!-- layers: end -->';

function nodeName(layer: Layer): string {
  return layer.folder === 'engine' ? 'roots' : layer.folder.replaceAll('/', '_').replace('engine_', '');
}

function label(layer: Layer): string {
  return layer.folder === 'engine' ? 'main.ts cli.ts' : layer.folder.replace('engine/', '');
}

/** Edges that no longer path of other edges already implies. */
function direct(layer: Layer): readonly Layer[] {
  const all = importsOf(layer);
  return all.filter((to) => !all.some((via) => via !== to && reaches(via, to)));
}

function reaches(from: Layer, to: Layer): boolean {
  return importsOf(from).some((next) => next === to || reaches(next, to));
}

/** Mermaid text of the whole table. */
export function diagram(): string {
  const lines = ['```mermaid', 'flowchart TD'];
  for (const layer of layers) {
    const shape = layer.platform === 'none' ? ['[', ']'] : ['([', '])'];
    lines.push(`  ${nodeName(layer)}${shape[0]}"${label(layer)}"${shape[1]}`);
  }
  for (const layer of layers) {
    for (const to of direct(layer)) lines.push(`  ${nodeName(layer)} --> ${nodeName(to)}`);
  }
  return [...lines, '```'].join('\n');
}

/** `document` with the diagram between its two marks replaced. Throws when the marks are missing. */
export function withDiagram(document: string): string {
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from < 0 || to < from) throw new Error(`the document has no place for the diagram: it needs "${begin}" and "${end}"`);
  return `${document.slice(0, from + begin.length)}\n\n${diagram()}\n\n${document.slice(to)}`;
}
