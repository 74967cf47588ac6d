/**
 * House rules that no linter knows: file and folder names, READMEs of the engine's folders, no clock and no randomness in the engine.
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { layerOf, layers, testPattern } from '../layers.ts';

const vagueName = /(^|\/)(utils?|common|helpers?|misc)(\/|\.ts$)/;
const hostState = /\b(Date\.now|new Date\b|Math\.random|performance\.now)\s*\(/;
const readmeLines = 10;

/** One sentence per finding, path first. */
export function conventionFindings(base: string): readonly string[] {
  const files = globSync('{engine,electron,renderer,build}/**/*.{ts,vue}', { cwd: base, exclude: ['**/node_modules/**'] });
  return [...files.sort().flatMap((path) => fileFindings(base, path)), ...readmeFindings(base)];
}

function fileFindings(base: string, path: string): readonly string[] {
  const found: string[] = [];
  if (vagueName.test(path)) found.push(`${path}: a name that says nothing of the content`);
  const layer = layerOf(path);
  if (layer?.platform === 'none' && !new RegExp(testPattern).test(path)) {
    const lines = readFileSync(join(base, path), 'utf8').split('\n');
    lines.forEach((line, index) => {
      if (hostState.test(line)) found.push(`${path}:${index + 1}: time and randomness come through ports of host`);
    });
  }
  return found;
}

/** A folder with code has a README of at most ten lines: contract, what it may import, what it must not know. */
function readmeFindings(base: string): readonly string[] {
  return layers.flatMap((layer) => {
    if (layer.folder === 'engine' || globSync('*.ts', { cwd: join(base, layer.folder) }).length === 0) return [];
    const path = `${layer.folder}/README.md`;
    if (!existsSync(join(base, path))) return [`${path}: missing`];
    const lines = readFileSync(join(base, path), 'utf8').trimEnd().split('\n').length;
    return lines > readmeLines ? [`${path}: ${lines} lines, at most ${readmeLines}`] : [];
  });
}
