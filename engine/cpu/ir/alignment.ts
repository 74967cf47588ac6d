/** Alignment in bytes that #AC demands of an operand (SDM vol. 3, table 6-7): 8 for 80-bit numbers, 2 or 4 for x87 environments, none from 16 bytes on. */
export function checkedAlignment(bytes: number): number {
  if (bytes === 10) return 8;
  return bytes % 16 === 0 ? 1 : bytes & -bytes;
}
