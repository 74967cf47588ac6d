/** Opcodes of the wasm binary format (core specification, section 5.4), by their text names; only those we emit. */

export const OP = {
  unreachable: 0x00, block: 0x02, loop: 0x03, if: 0x04, else: 0x05, end: 0x0b, br: 0x0c, br_if: 0x0d, br_table: 0x0e, return: 0x0f,
  call: 0x10, call_indirect: 0x11, return_call: 0x12, return_call_indirect: 0x13, drop: 0x1a, select: 0x1b,
  'local.get': 0x20, 'local.set': 0x21, 'local.tee': 0x22,
} as const;

/** Operators without immediates. */
export const NUMERIC = {
  'i32.eqz': 0x45, 'i32.eq': 0x46, 'i32.ne': 0x47, 'i32.lt_s': 0x48, 'i32.lt_u': 0x49, 'i32.gt_s': 0x4a, 'i32.gt_u': 0x4b, 'i32.le_s': 0x4c,
  'i32.le_u': 0x4d, 'i32.ge_s': 0x4e, 'i32.ge_u': 0x4f,
  'i64.eqz': 0x50, 'i64.eq': 0x51, 'i64.ne': 0x52, 'i64.lt_s': 0x53, 'i64.lt_u': 0x54, 'i64.gt_s': 0x55, 'i64.gt_u': 0x56, 'i64.le_s': 0x57,
  'i64.le_u': 0x58, 'i64.ge_s': 0x59, 'i64.ge_u': 0x5a,
  'f32.eq': 0x5b, 'f32.ne': 0x5c, 'f32.lt': 0x5d, 'f32.gt': 0x5e, 'f32.le': 0x5f, 'f32.ge': 0x60,
  'f64.eq': 0x61, 'f64.ne': 0x62, 'f64.lt': 0x63, 'f64.gt': 0x64, 'f64.le': 0x65, 'f64.ge': 0x66,
  'i32.clz': 0x67, 'i32.ctz': 0x68, 'i32.popcnt': 0x69, 'i32.add': 0x6a, 'i32.sub': 0x6b, 'i32.mul': 0x6c, 'i32.and': 0x71, 'i32.or': 0x72,
  'i32.xor': 0x73, 'i32.shl': 0x74, 'i32.shr_s': 0x75, 'i32.shr_u': 0x76,
  'i64.clz': 0x79, 'i64.ctz': 0x7a, 'i64.popcnt': 0x7b, 'i64.add': 0x7c, 'i64.sub': 0x7d, 'i64.mul': 0x7e, 'i64.div_s': 0x7f, 'i64.div_u': 0x80,
  'i64.rem_s': 0x81, 'i64.rem_u': 0x82, 'i64.and': 0x83, 'i64.or': 0x84, 'i64.xor': 0x85, 'i64.shl': 0x86, 'i64.shr_s': 0x87, 'i64.shr_u': 0x88,
  'i64.rotl': 0x89, 'i64.rotr': 0x8a,
  'f32.abs': 0x8b, 'f32.neg': 0x8c, 'f32.nearest': 0x90, 'f32.sqrt': 0x91, 'f32.add': 0x92, 'f32.sub': 0x93, 'f32.mul': 0x94, 'f32.div': 0x95,
  'f64.abs': 0x99, 'f64.neg': 0x9a, 'f64.nearest': 0x9e, 'f64.sqrt': 0x9f, 'f64.add': 0xa0, 'f64.sub': 0xa1, 'f64.mul': 0xa2, 'f64.div': 0xa3,
  'i32.wrap_i64': 0xa7, 'i64.extend_i32_s': 0xac, 'i64.extend_i32_u': 0xad, 'f32.convert_i64_s': 0xb4, 'f32.demote_f64': 0xb6,
  'f64.convert_i32_s': 0xb7, 'f64.convert_i64_s': 0xb9, 'f64.promote_f32': 0xbb, 'i32.reinterpret_f32': 0xbc, 'i64.reinterpret_f64': 0xbd,
  'f32.reinterpret_i32': 0xbe, 'f64.reinterpret_i64': 0xbf, 'i32.extend8_s': 0xc0, 'i32.extend16_s': 0xc1, 'i64.extend8_s': 0xc2,
  'i64.extend16_s': 0xc3, 'i64.extend32_s': 0xc4,
} as const;

/** Saturating truncations behind prefix 0xfc. */
export const SATURATING = {
  'i64.trunc_sat_f32_s': 0x04, 'i64.trunc_sat_f64_s': 0x06,
} as const;

/** Plain loads and stores: opcode and natural alignment (log2). */
export const MEMORY = {
  'i32.load': [0x28, 2], 'i64.load': [0x29, 3], 'i32.load8_s': [0x2c, 0], 'i32.load8_u': [0x2d, 0], 'i32.load16_s': [0x2e, 1],
  'i32.load16_u': [0x2f, 1], 'i64.load8_s': [0x30, 0], 'i64.load8_u': [0x31, 0], 'i64.load16_s': [0x32, 1], 'i64.load16_u': [0x33, 1],
  'i64.load32_s': [0x34, 2], 'i64.load32_u': [0x35, 2], 'i32.store': [0x36, 2], 'i64.store': [0x37, 3], 'i32.store8': [0x3a, 0],
  'i32.store16': [0x3b, 1], 'i64.store8': [0x3c, 0], 'i64.store16': [0x3d, 1], 'i64.store32': [0x3e, 2],
} as const;

/** Atomics behind prefix 0xfe; alignment must be natural. */
export const ATOMIC = {
  'i32.atomic.load': [0x10, 2], 'i32.atomic.store': [0x17, 2], 'i64.atomic.store': [0x18, 3],
  'i32.atomic.rmw.add': [0x1e, 2], 'i32.atomic.rmw.or': [0x33, 2], 'i64.atomic.rmw.or': [0x34, 3],
  'i64.atomic.rmw.add': [0x1f, 3], 'i32.atomic.rmw.and': [0x2c, 2],
  'i32.atomic.rmw.cmpxchg': [0x48, 2], 'i64.atomic.rmw.cmpxchg': [0x49, 3], 'i64.atomic.rmw8.cmpxchg_u': [0x4c, 0],
  'i64.atomic.rmw16.cmpxchg_u': [0x4d, 1], 'i64.atomic.rmw32.cmpxchg_u': [0x4e, 2],
} as const;

/** SIMD operators without immediates, behind prefix 0xfd. */
export const SIMD = {
  'i8x16.swizzle': 0x0e, 'i8x16.splat': 0x0f, 'i16x8.splat': 0x10, 'i32x4.splat': 0x11, 'i64x2.splat': 0x12,
  'i8x16.eq': 0x23, 'i8x16.gt_s': 0x27, 'i16x8.eq': 0x2d, 'i16x8.gt_s': 0x31, 'i32x4.eq': 0x37, 'i32x4.gt_s': 0x3b,
  'f32x4.eq': 0x41, 'f32x4.lt': 0x43, 'f64x2.eq': 0x47, 'f64x2.lt': 0x49,
  'v128.not': 0x4d, 'v128.and': 0x4e, 'v128.andnot': 0x4f, 'v128.or': 0x50, 'v128.xor': 0x51, 'v128.bitselect': 0x52, 'v128.any_true': 0x53,
  'i8x16.abs': 0x60, 'i8x16.neg': 0x61, 'i8x16.all_true': 0x63, 'i8x16.bitmask': 0x64, 'i8x16.narrow_i16x8_s': 0x65, 'i8x16.narrow_i16x8_u': 0x66,
  'i8x16.add': 0x6e, 'i8x16.add_sat_s': 0x6f, 'i8x16.add_sat_u': 0x70, 'i8x16.sub': 0x71, 'i8x16.sub_sat_s': 0x72, 'i8x16.sub_sat_u': 0x73,
  'i8x16.min_s': 0x76, 'i8x16.min_u': 0x77, 'i8x16.max_s': 0x78, 'i8x16.max_u': 0x79, 'i8x16.avgr_u': 0x7b,
  'i16x8.abs': 0x80, 'i16x8.neg': 0x81, 'i16x8.all_true': 0x83, 'i16x8.bitmask': 0x84, 'i16x8.narrow_i32x4_s': 0x85, 'i16x8.narrow_i32x4_u': 0x86,
  'i16x8.extend_low_s': 0x87, 'i16x8.extend_high_s': 0x88, 'i16x8.extend_low_u': 0x89, 'i16x8.extend_high_u': 0x8a,
  'i16x8.shl': 0x8b, 'i16x8.shr_s': 0x8c, 'i16x8.shr_u': 0x8d, 'i16x8.add': 0x8e, 'i16x8.add_sat_s': 0x8f, 'i16x8.add_sat_u': 0x90,
  'i16x8.sub': 0x91, 'i16x8.sub_sat_s': 0x92, 'i16x8.sub_sat_u': 0x93, 'i16x8.mul': 0x95, 'i16x8.min_s': 0x96, 'i16x8.min_u': 0x97,
  'i16x8.max_s': 0x98, 'i16x8.max_u': 0x99, 'i16x8.avgr_u': 0x9b, 'i16x8.extmul_low_s': 0x9c, 'i16x8.extmul_high_s': 0x9d,
  'i16x8.extmul_low_u': 0x9e, 'i16x8.extmul_high_u': 0x9f,
  'i32x4.abs': 0xa0, 'i32x4.neg': 0xa1, 'i32x4.all_true': 0xa3, 'i32x4.bitmask': 0xa4, 'i32x4.extend_low_s': 0xa7, 'i32x4.extend_high_s': 0xa8,
  'i32x4.extend_low_u': 0xa9, 'i32x4.extend_high_u': 0xaa, 'i32x4.shl': 0xab, 'i32x4.shr_s': 0xac, 'i32x4.shr_u': 0xad, 'i32x4.add': 0xae,
  'i32x4.sub': 0xb1, 'i32x4.mul': 0xb5, 'i32x4.min_s': 0xb6, 'i32x4.min_u': 0xb7, 'i32x4.max_s': 0xb8, 'i32x4.max_u': 0xb9,
  'i32x4.dot_i16x8_s': 0xba, 'i32x4.extmul_low_s': 0xbc, 'i32x4.extmul_high_s': 0xbd, 'i32x4.extmul_low_u': 0xbe, 'i32x4.extmul_high_u': 0xbf,
  'i64x2.neg': 0xc1, 'i64x2.all_true': 0xc3, 'i64x2.bitmask': 0xc4, 'i64x2.extend_low_s': 0xc7, 'i64x2.extend_high_s': 0xc8,
  'i64x2.extend_low_u': 0xc9, 'i64x2.extend_high_u': 0xca, 'i64x2.shl': 0xcb, 'i64x2.shr_s': 0xcc, 'i64x2.shr_u': 0xcd, 'i64x2.add': 0xce,
  'i64x2.sub': 0xd1, 'i64x2.mul': 0xd5, 'i64x2.eq': 0xd6, 'i64x2.ne': 0xd7, 'i64x2.lt_s': 0xd8, 'i64x2.gt_s': 0xd9, 'i64x2.extmul_low_s': 0xdc,
  'i64x2.extmul_high_s': 0xdd, 'i64x2.extmul_low_u': 0xde, 'i64x2.extmul_high_u': 0xdf,
  'f32x4.abs': 0xe0, 'f32x4.sqrt': 0xe3, 'f32x4.add': 0xe4, 'f32x4.sub': 0xe5, 'f32x4.mul': 0xe6, 'f32x4.div': 0xe7, 'f32x4.pmin': 0xea,
  'f32x4.pmax': 0xeb, 'f64x2.abs': 0xec, 'f64x2.sqrt': 0xef, 'f64x2.add': 0xf0, 'f64x2.sub': 0xf1, 'f64x2.mul': 0xf2, 'f64x2.div': 0xf3,
  'f64x2.pmin': 0xf6, 'f64x2.pmax': 0xf7,
} as const;

/** SIMD operators with one lane immediate. */
export const SIMD_LANE = {
  'i8x16.extract_lane_u': 0x16, 'i8x16.replace_lane': 0x17, 'i16x8.extract_lane_u': 0x19, 'i16x8.replace_lane': 0x1a,
  'i32x4.extract_lane': 0x1b, 'i32x4.replace_lane': 0x1c, 'i64x2.extract_lane': 0x1d, 'i64x2.replace_lane': 0x1e,
} as const;

export type NumericOp = keyof typeof NUMERIC;
export type SaturatingOp = keyof typeof SATURATING;
export type MemoryOp = keyof typeof MEMORY;
export type AtomicOp = keyof typeof ATOMIC;
export type SimdOp = keyof typeof SIMD;
export type SimdLaneOp = keyof typeof SIMD_LANE;
