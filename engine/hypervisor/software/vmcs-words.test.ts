import { expect, it } from 'vitest';
import { VMCS } from '../../cpu/index.ts';
import { describeField } from '../index.ts';

it('every field of the VMCS and every named bit of its controls is explained', () => {
  const silent = Object.values(VMCS).flatMap((field) => {
    const { text, bits } = describeField(field);
    const unsaid =
      field.bits === undefined ? [] : bits.filter((bit) => bit.text === '').map(({ name }) => `${field.name}.${name}`);
    return text === '' ? [field.name, ...unsaid] : unsaid;
  });
  expect(silent).toEqual([]);
});
