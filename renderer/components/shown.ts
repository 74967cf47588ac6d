/**
 * `v-shown="value"` on a text field: shows the value as it changes, but never while somebody is in the field: news of the machine would
 * take away what is being typed. A field that is left as it was shows what came meanwhile.
 */
import type { Directive } from 'vue';

type Field = HTMLInputElement | HTMLTextAreaElement;
type Shown = string | number | undefined;

const textOf = (value: Shown): string => String(value ?? '');
/** What each field is to show. */
const values = new WeakMap<Field, Shown>();
const isBusy = (field: Field): boolean => document.activeElement === field;

export const vShown: Directive<Field, Shown> = {
  mounted(field, { value }) {
    values.set(field, value);
    field.value = textOf(value);
    let entered = field.value;
    field.addEventListener('focus', () => {
      entered = field.value;
    });
    field.addEventListener('blur', () => {
      if (field.value === entered) field.value = textOf(values.get(field));
    });
  },
  updated(field, { value }) {
    values.set(field, value);
    if (!isBusy(field)) field.value = textOf(value);
  },
};
