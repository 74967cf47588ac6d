import { CR4, EBX7, ECX1, EDX1, EDX7, EDX81 } from './bits.ts';
import type { CpuidView, CpuModel } from './model.ts';

type Leaf = readonly [number, number, number, number];
const NONE: Leaf = [0, 0, 0, 0];
const MISC_LIMIT_CPUID = 1 << 22;
const MISC_MONITOR = 1 << 18;

/** Four registers' worth of text, little-endian. */
const word = (text: string, at: number): number =>
  [0, 1, 2, 3].reduce((w, i) => (w | ((text.charCodeAt(at + i) || 0) << (8 * i))) >>> 0, 0);

/** Bits needed to number `count` things. */
const idBits = (count: number): number => (count <= 1 ? 0 : 32 - Math.clz32(count - 1));

const leaf1 = (m: CpuModel, v: CpuidView): Leaf => {
  const ecx =
    (m.ecx1 & ((v.miscEnable & MISC_MONITOR) === 0 ? ~ECX1.monitor : ~0)) | ((v.cr4 & CR4.osxsave) === 0 ? 0 : ECX1.osxsave);
  const edx = (m.edx1 & (v.apicEnabled ? ~0 : ~EDX1.apic)) | (v.vcpus > 1 ? EDX1.htt : 0);
  const logical = v.vcpus > 1 ? Math.min(1 << idBits(v.vcpus), 255) : 1;
  return [m.signature, ((v.apicId & 0xff) << 24) | (logical << 16) | (8 << 8), ecx, edx];
};

/** Caches: level, kind (1 data, 2 code, 3 both), ways, sets, shared by all processors. Lines of 64 bytes. */
const CACHES: readonly (readonly [level: number, kind: number, ways: number, sets: number, shared: boolean])[] = [
  [1, 1, 8, 64, false],
  [1, 2, 4, 128, false],
  [2, 3, 8, 512, false],
  [3, 3, 16, 8192, true],
];

const leaf4 = (v: CpuidView, subleaf: number): Leaf => {
  const cache = CACHES[subleaf];
  if (cache === undefined) return NONE;
  const [level, kind, ways, sets, shared] = cache;
  const ids = Math.min((1 << idBits(v.vcpus)) - 1, 63);
  const eax = kind | (level << 5) | (1 << 8) | ((shared ? ids : 0) << 14) | (ids << 26);
  return [eax, 63 | ((ways - 1) << 22), sets - 1, shared ? 2 : 0];
};

const leafB = (v: CpuidView, subleaf: number): Leaf => {
  const level = subleaf & 0xff;
  if (level === 0) return [0, 1, 0x100, v.apicId];
  return level === 1 ? [idBits(v.vcpus), v.vcpus, 0x201, v.apicId] : [0, 0, level, v.apicId];
};

/** XSAVE area: legacy region 512, header 64; neither x87 nor SSE state needs more. */
const XSAVE_BYTES = 576;

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

const leaf15 = (m: CpuModel): Leaf => {
  const { tscHz, apicHz } = m.clocks;
  const d = gcd(tscHz, apicHz);
  const [denominator, numerator] = [apicHz / d, tscHz / d];
  return denominator > 0xffffffff || numerator > 0xffffffff ? NONE : [denominator, numerator, apicHz, 0];
};

function basic(m: CpuModel, { leaf, subleaf }: { leaf: number; subleaf: number }, v: CpuidView): Leaf {
  switch (leaf) {
    case 0:
      return [(v.miscEnable & MISC_LIMIT_CPUID) === 0 ? m.maxLeaf : 2, word('Genu', 0), word('ntel', 0), word('ineI', 0)];
    case 1:
      return leaf1(m, v);
    case 2: // no descriptors but: caches are in leaf 4 (FFH), 64-byte prefetch (F0H)
      return [0x00f0ff01, 0, 0, 0];
    case 4:
      return leaf4(v, subleaf);
    case 5: // lines of 64 bytes; interrupts break MWAIT even when disabled; no sub-states, so that idle loops choose HLT, which costs less
      return (m.ecx1 & ECX1.monitor) === 0 ? NONE : [64, 64, 3, 0];
    case 6: // the APIC timer never stops
      return [4, 0, 0, 0];
    case 7:
      if (subleaf === 0) return [m.edx72 === 0 ? 0 : 2, m.ebx7, 0, m.edx7];
      return subleaf === 2 ? [0, 0, 0, m.edx72] : NONE;
    case 0xb:
      return (m.ecx1 & ECX1.x2apic) === 0 ? NONE : leafB(v, subleaf);
    case 0xd:
      return (m.ecx1 & ECX1.xsave) === 0 || subleaf !== 0 ? NONE : [3, XSAVE_BYTES, XSAVE_BYTES, 0];
    case 0x15:
      return leaf15(m);
    case 0x16: {
      const mhz = Math.round(m.clocks.tscHz / 1e6) & 0xffff;
      return [mhz, mhz, 100, 0];
    }
    default:
      return NONE;
  }
}

function extended(m: CpuModel, leaf: number, v: CpuidView): Leaf {
  switch (leaf) {
    case 0x80000000:
      return [0x80000008, 0, 0, 0];
    case 0x80000001:
      return [0, 0, m.ecx81, m.edx81 & (v.long ? ~0 : ~EDX81.syscall) & (v.xdDisabled ? ~EDX81.nx : ~0)];
    case 0x80000002:
    case 0x80000003:
    case 0x80000004: {
      const at = (leaf - 0x80000002) * 16;
      return [word(m.brand, at), word(m.brand, at + 4), word(m.brand, at + 8), word(m.brand, at + 12)];
    }
    case 0x80000006: // second-level cache: 256 KiB, 8 ways, lines of 64 bytes
      return [0, 0, 0x01006040, 0];
    case 0x80000007: // invariant TSC
      return [0, 0, 0, 0x100];
    case 0x80000008:
      return [m.physicalBits | (48 << 8), 0, 0, 0];
    default:
      return NONE;
  }
}

/** One leaf. A leaf above the highest is answered with the data of the highest basic leaf, as Intel processors do. */
export function cpuidLeaf(m: CpuModel, at: { leaf: number; subleaf: number }, v: CpuidView): Leaf {
  const { leaf } = at;
  const [a, b, c, d] =
    leaf >= 0x80000000 && leaf <= 0x80000008
      ? extended(m, leaf, v)
      : basic(m, leaf <= m.maxLeaf ? at : { leaf: m.maxLeaf, subleaf: at.subleaf }, v);
  return [a >>> 0, b >>> 0, c >>> 0, d >>> 0];
}

/** Does the model claim this? The names of bits.ts, by register. */
export const claims = {
  x2apic: (m: CpuModel): boolean => (m.ecx1 & ECX1.x2apic) !== 0,
  tscDeadline: (m: CpuModel): boolean => (m.ecx1 & ECX1.tscDeadline) !== 0,
  vmx: (m: CpuModel): boolean => (m.ecx1 & ECX1.vmx) !== 0,
  monitor: (m: CpuModel): boolean => (m.ecx1 & ECX1.monitor) !== 0,
  tscAdjust: (m: CpuModel): boolean => (m.ebx7 & EBX7.tscAdjust) !== 0,
  specCtrl: (m: CpuModel): boolean => (m.edx7 & EDX7.specCtrl) !== 0,
  archCapabilities: (m: CpuModel): boolean => (m.edx7 & EDX7.archCapabilities) !== 0,
  invpcid: (m: CpuModel): boolean => (m.ebx7 & EBX7.invpcid) !== 0,
  rdtscp: (m: CpuModel): boolean => (m.edx81 & EDX81.rdtscp) !== 0,
} as const;
