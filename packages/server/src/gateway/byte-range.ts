/** Both ends included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/**
 * What a `Range` header asks for of `size` bytes: the ranges that can be satisfied, in the order in which they were asked for.
 *
 * `everything`: no range, another unit, an empty representation, more ranges than anybody needs, or ranges that are together
 * longer than the whole (both are ways to make a server work for nothing, and a Range may always be passed over).
 * `unsatisfiable`: all begin behind the end. `malformed`: unit `bytes` but not its grammar.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#name-byte-ranges
 */
export type RangeRequest = readonly ByteRange[] | "everything" | "unsatisfiable" | "malformed";

const RANGES_MAX = 64;

export function parseRange(header: string | undefined, size: number): RangeRequest {
  const [, list] = /^\s*bytes\s*=(.*)$/is.exec(header ?? "") ?? [];
  if (list === undefined) return "everything";
  const texts = list
    .split(",")
    .map((text) => text.trim())
    .filter((text) => text !== "");
  if (texts.length === 0) return "malformed";
  if (texts.length > RANGES_MAX) return "everything";
  const ranges: ByteRange[] = [];
  for (const text of texts) {
    const range = parseOne(text, size);
    if (range === "malformed") return "malformed";
    if (range !== "unsatisfiable") ranges.push(range);
  }
  // Some clients send a range with every request: an empty file is answered whole, as Go's and most servers do.
  if (size === 0) return "everything";
  if (ranges.length === 0) return "unsatisfiable";
  const bytes = ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  return ranges.length > 1 && bytes > size ? "everything" : ranges;
}

function parseOne(text: string, size: number): ByteRange | "unsatisfiable" | "malformed" {
  const [, from, to] = /^(\d{0,16})\s*-\s*(\d{0,16})$/.exec(text) ?? [];
  if (from === undefined || to === undefined || (from === "" && to === "")) return "malformed";
  if (from === "") {
    const count = Number(to);
    return count === 0 || size === 0 ? "unsatisfiable" : { first: Math.max(0, size - count), last: size - 1 };
  }
  const first = Number(from);
  const last = to === "" ? size - 1 : Math.min(Number(to), size - 1);
  if (to !== "" && Number(to) < first) return "malformed";
  return first >= size ? "unsatisfiable" : { first, last };
}
