/** Segment registers between the state block and the guest-state area. */
import type { SlowContext } from '../context.ts';
import { getSegment, setSegment } from '../system/registers.ts';
import { get, get32, set } from './region.ts';

const NAMES = ['Es', 'Cs', 'Ss', 'Ds', 'Fs', 'Gs'] as const;

export function saveSegments(c: SlowContext): void {
  const { s } = c;
  NAMES.forEach((name, i) => {
    const value = getSegment(s, i);
    set(c, `guest${name}Selector`, value.selector);
    set(c, `guest${name}Base`, value.base);
    set(c, `guest${name}Limit`, value.limit);
    set(c, `guest${name}Rights`, name === 'Ss' ? (value.attr & ~0x60) | (s.cpl << 5) : value.attr);
  });
  set(c, 'guestLdtrSelector', s.ldtrSelector);
  set(c, 'guestLdtrBase', s.ldtrBase);
  set(c, 'guestLdtrLimit', s.ldtrLimit);
  set(c, 'guestLdtrRights', s.ldtrAttr);
  set(c, 'guestTrSelector', s.trSelector);
  set(c, 'guestTrBase', s.trBase);
  set(c, 'guestTrLimit', s.trLimit);
  set(c, 'guestTrRights', s.trAttr);
  set(c, 'guestGdtrBase', s.gdtrBase);
  set(c, 'guestGdtrLimit', s.gdtrLimit);
  set(c, 'guestIdtrBase', s.idtrBase);
  set(c, 'guestIdtrLimit', s.idtrLimit);
}

export function loadSegments(c: SlowContext): void {
  const { s } = c;
  NAMES.forEach((name, i) => {
    setSegment(s, i, {
      selector: get32(c, `guest${name}Selector`),
      base: get(c, `guest${name}Base`),
      limit: get32(c, `guest${name}Limit`),
      attr: get32(c, `guest${name}Rights`),
    });
  });
  s.cpl = (s.ssAttr >>> 5) & 3;
  s.ldtrSelector = get32(c, 'guestLdtrSelector');
  s.ldtrBase = get(c, 'guestLdtrBase');
  s.ldtrLimit = get32(c, 'guestLdtrLimit');
  s.ldtrAttr = get32(c, 'guestLdtrRights');
  s.trSelector = get32(c, 'guestTrSelector');
  s.trBase = get(c, 'guestTrBase');
  s.trLimit = get32(c, 'guestTrLimit');
  s.trAttr = get32(c, 'guestTrRights');
  s.gdtrBase = get(c, 'guestGdtrBase');
  s.gdtrLimit = get32(c, 'guestGdtrLimit');
  s.idtrBase = get(c, 'guestIdtrBase');
  s.idtrLimit = get32(c, 'guestIdtrLimit');
}
