/**
 * The pointer's part of VMware's backdoor: an IN from one port with a command in the registers. Facts as published with VMware's open tools
 * and relied upon by the drivers of Linux and X.Org.
 */
export const PORT = 0x5658;
/** In EAX of every call. */
export const MAGIC = 0x564d5868;

export const Command = { Version: 10, Data: 39, Status: 40, Pointer: 41, Restrict: 86 } as const;
/** In EBX of `Command.Pointer`. */
export const Pointer = { Enable: 0x45414552, Disable: 0xf5, Relative: 0x4c455252, Absolute: 0x53424152 } as const;

/** What `Command.Version` says: the protocol, and in ECX the product. */
export const VERSION = { protocol: 6, product: 4 } as const;
/** The one word that waits once the pointer is enabled. */
export const POINTER_VERSION = 0x3442554a;
/** Status of a pointer that is not enabled; otherwise the number of words that wait. */
export const FAULT = 0xffff_0000;
export const UNSUPPORTED = 0xffff_ffff;

/** Words of one event: buttons, x, y (0 to FFFFh over the screen), wheel. */
export const EVENT_WORDS = 4;
export const EVENTS = 64;
export const Button = { Middle: 0x08, Right: 0x10, Left: 0x20 } as const;
