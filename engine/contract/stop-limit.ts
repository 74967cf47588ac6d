/** Most stops of a machine. */
export const maximumStops = 64;
