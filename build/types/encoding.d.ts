/**
 * UTF-8 conversion (WHATWG Encoding): pure functions that every host has and that the language library does not declare.
 * Only folders without Node's or the browser's types see this file; there the platform's own declaration stands.
 */
interface TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>;
}
declare var TextEncoder: { new (): TextEncoder };

interface TextDecoder {
  decode(bytes?: ArrayBuffer | ArrayBufferView): string;
}
declare var TextDecoder: { new (label?: string, options?: { readonly fatal?: boolean }): TextDecoder };
