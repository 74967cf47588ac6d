/** Memory types as firmware leaves them (SDM vol. 3, 11.11): write-back by default, the screen's memory uncached. */

const FIXED_64K = 0x250;
const FIXED_16K = [0x258, 0x259] as const;
const FIXED_4K = [0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f] as const;
const DEFAULT_TYPE = 0x2ff;
const WRITE_BACK_EVERYWHERE = 0x0606_0606_0606_0606n;
/** MTRRs on, fixed ranges on, write-back. */
const ENABLED_WRITE_BACK = 0xc06n;

/** MSR indices and values for the first processor. */
export function firmwareMsrs(): readonly (readonly [index: number, value: bigint])[] {
  return [
    [FIXED_64K, WRITE_BACK_EVERYWHERE],
    [FIXED_16K[0], WRITE_BACK_EVERYWHERE],
    [FIXED_16K[1], 0n], // A0000-BFFFF
    ...FIXED_4K.map((index) => [index, WRITE_BACK_EVERYWHERE] as const),
    [DEFAULT_TYPE, ENABLED_WRITE_BACK],
  ];
}
