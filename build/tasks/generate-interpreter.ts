/**
 * Writes the generated interpreter: `.out/interpreter.wasm`, and `.out/interpreter.json` with what `InterpreterImage` needs beside the
 * module, and `.out/interpreter.code`, what V8 makes of it. Fails when it exceeds the sizes V8 compiles well (design.md, section 4).
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { generateInterpreter } from '../../engine/cpu/interpreter/generate.ts';
import { writeMachineCode } from '../../engine/host/machine-code.ts';
import { withCodeSettings } from '../../engine/host/v8-settings.ts';
import { definitions } from '../../engine/isa/all.ts';

const hot = JSON.parse(readFileSync(new URL('../../engine/cpu/interpreter/hot.json', import.meta.url), 'utf8')) as string[];
const { wasm, trees, ends, stack, shaped, names, loopBytes, inlineCases } = generateInterpreter(definitions, hot);
const out = new URL('../../.out/', import.meta.url);
mkdirSync(out, { recursive: true });
writeFileSync(new URL('interpreter.wasm', out), wasm);
const code = writeMachineCode(wasm, (bytes) => withCodeSettings(() => new WebAssembly.Module(bytes)));
writeFileSync(new URL('interpreter.code', out), code);
writeFileSync(new URL('interpreter.json', out), JSON.stringify({ trees, ends, stack, shaped }));
process.stdout.write(
  `interpreter: ${names.length} handlers, ${inlineCases} in the loop (${loopBytes} bytes), ${wasm.length} bytes in all\n`,
);
