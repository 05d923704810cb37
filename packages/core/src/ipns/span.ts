/**
 * A range of a record's bytes, packed into one small integer. Hundreds of thousands of records are held in memory:
 * a `Uint8Array` view costs about a hundred bytes, a span none.
 */
export type Span = number;

/** No range at all; different from an empty one. */
export const ABSENT: Span = -1;

/** Offsets need 14 bits: a record has at most 10,240 bytes. */
const END_BITS = 14;

export function spanOf(start: number, end: number): Span {
  return (start << END_BITS) | end;
}

export function spanStart(span: Span): number {
  return span >> END_BITS;
}

export function spanEnd(span: Span): number {
  return span & ((1 << END_BITS) - 1);
}

export function isEmptySpan(span: Span): boolean {
  return spanStart(span) === spanEnd(span);
}

/** A view, not a copy. */
export function viewSpan(bytes: Uint8Array, span: Span): Uint8Array {
  return bytes.subarray(spanStart(span), spanEnd(span));
}

export function equalSpans(bytes: Uint8Array, a: Span, b: Span): boolean {
  const length = spanEnd(a) - spanStart(a);
  if (spanEnd(b) - spanStart(b) !== length) return false;
  for (let i = 0; i < length; i++) {
    if (bytes[spanStart(a) + i] !== bytes[spanStart(b) + i]) return false;
  }
  return true;
}
