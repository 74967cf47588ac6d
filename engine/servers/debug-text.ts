/** Code and memory as a debugger on a terminal shows them. */
import type { ResultOf } from '../contract/command.ts';
import type { machineDisassemble, machineMemory } from '../contract/debug-commands.ts';

const LINE = 16;

/** One instruction a line; the next one to run is marked. */
export function codeText({ ip, instructions }: ResultOf<typeof machineDisassemble>): string {
  return instructions
    .map(({ gva, bytes, text }) => `${gva === ip ? '=>' : '  '} ${gva.padEnd(18)}  ${bytes.padEnd(20)}  ${text}\n`)
    .join('');
}

/** Sixteen bytes a line, with the characters they are. */
export function memoryText({ address, bytes }: ResultOf<typeof machineMemory>): string {
  const pairs = bytes.match(/../g) ?? [];
  let text = '';
  for (let at = 0; at < pairs.length; at += LINE) {
    const line = pairs.slice(at, at + LINE);
    const place = BigInt.asUintN(64, BigInt(address) + BigInt(at))
      .toString(16)
      .padStart(16, '0');
    text += `0x${place}  ${line.join(' ').padEnd(3 * LINE - 1)}  ${line.map(characterOf).join('')}\n`;
  }
  return text;
}

function characterOf(pair: string): string {
  const code = Number.parseInt(pair, 16);
  return code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : '.';
}
