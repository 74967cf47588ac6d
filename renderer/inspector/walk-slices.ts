/** How an address is cut into indices of page tables (SDM vol. 3, chapter 4). */
export interface Slice {
  readonly name: string;
  readonly value: number;
  /** `47:39`. */
  readonly bits: string;
}

const TABLES: Readonly<Record<string, readonly (readonly [name: string, high: number, low: number])[]>> = {
  '4-level': [
    ['PML4', 47, 39],
    ['PDPT', 38, 30],
    ['PD', 29, 21],
    ['PT', 20, 12],
  ],
  PAE: [
    ['PDPT', 31, 30],
    ['PD', 29, 21],
    ['PT', 20, 12],
  ],
  '32-bit': [
    ['PD', 31, 22],
    ['PT', 21, 12],
  ],
};

/** `pageBytes` says where tables end and the offset begins; absent: 4 KiB. */
export function slicesOf(gva: bigint, paging: string, pageBytes = 4096): Slice[] {
  const offsetBits = Math.log2(pageBytes);
  const part = (high: number, low: number): number => Number((gva >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n));
  const tables = (TABLES[paging] ?? []).filter(([, , low]) => low >= offsetBits);
  if (tables.length === 0) return [];
  return [...tables, ['+', offsetBits - 1, 0] as const].map(([name, high, low]) => ({
    name,
    value: part(high, low),
    bits: `${high}:${low}`,
  }));
}
