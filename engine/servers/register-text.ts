/** Registers as text, for a terminal. */
/** Registers of some vCPUs, as `machine-registers` answers them. */
export interface VcpuRegisters {
  readonly vcpu: number;
  readonly registers: readonly { readonly group: string; readonly name: string; readonly value: string }[];
}

/** Width of the page the text is set for, in columns. */
const columns = 100;

/** One block per vCPU and register group, registers in columns, in the order the engine gives them. */
export function registerText({ vcpus }: { readonly vcpus: readonly VcpuRegisters[] }): string {
  const lines: string[] = [];
  for (const { vcpu, registers } of vcpus) {
    if (lines.length > 0) lines.push('');
    lines.push(`vCPU ${vcpu}`);
    for (const group of new Set(registers.map((register) => register.group))) {
      lines.push(`  ${group}`, ...setInColumns(registers.filter((register) => register.group === group)));
    }
  }
  return `${lines.join('\n')}\n`;
}

function setInColumns(registers: readonly { readonly name: string; readonly value: string }[]): string[] {
  const names = Math.max(...registers.map(({ name }) => name.length));
  const values = Math.max(...registers.map(({ value }) => value.length));
  const across = Math.max(1, Math.floor((columns - 2) / (names + values + 5)));
  const cells = registers.map(({ name, value }) => `    ${name.padEnd(names)} ${value.padStart(values)}`);
  const lines: string[] = [];
  for (let at = 0; at < cells.length; at += across) lines.push(cells.slice(at, at + across).join(''));
  return lines;
}
