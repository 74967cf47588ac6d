import { describe, expect, it } from 'vitest';
import { MODES } from '../../../engine/cpu/testing/sandbox.ts';
import { definitions } from '../../../engine/isa/all.ts';
import { decode } from '../../../engine/isa/decode.ts';
import { casesOf, makeInput, omitted, shapesOf } from './plan.ts';

const forms = definitions.flatMap((definition) => definition.forms);
const recorded = forms.filter((form) => omitted(form) === undefined);

describe('the plan of the vectors', () => {
  it('records most forms and has a reason for every other one', () => {
    expect(recorded.length).toBeGreaterThan(forms.length * 0.85);
    for (const form of forms) expect(omitted(form), form.text).not.toBe('');
  });

  it('gives every form at least one shape and some cases', () => {
    for (const form of recorded) {
      const shapes = shapesOf(form);
      expect(shapes.length, form.text).toBeGreaterThan(0);
      for (const shape of shapes) expect(casesOf(form, shape), form.text).toBeGreaterThan(3);
    }
  });

  it('encodes instructions that decode as the form they were made from', () => {
    // Numbers of control and debug registers are drawn from all sixteen, most of which do not exist.
    for (const form of recorded.filter(({ operands }) => !operands.some(({ kind }) => kind === 'cr' || kind === 'dr'))) {
      for (const shape of shapesOf(form)) {
        for (let index = 0; index < 2; index++) {
          const { code } = makeInput(form, shape, index);
          const decoded = decode(code, 0, code.length, { ...MODES[shape.mode], features: -1 });
          if (typeof decoded === 'string') throw new Error(`${form.text}: ${Buffer.from(code).toString('hex')} is ${decoded}`);
          expect([decoded.form.text, decoded.length], Buffer.from(code).toString('hex')).toEqual([form.text, code.length]);
        }
      }
    }
  });

  it('makes the same inputs again', () => {
    const [form] = recorded;
    const [shape] = form === undefined ? [] : shapesOf(form);
    if (form === undefined || shape === undefined) throw new Error('nothing is recorded');
    expect(makeInput(form, shape, 3)).toEqual(makeInput(form, shape, 3));
    expect(makeInput(form, shape, 3)).not.toEqual(makeInput(form, shape, 4));
  });
});
