/** Both ends included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/**
 * What a `Range` header asks for of `size` bytes.
 *
 * `everything`: no range, another unit, or an empty representation. `unsatisfiable`: it begins behind the end.
 * `malformed`: unit `bytes` but not its grammar. Of several ranges the first that can be satisfied counts (as boxo does).
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#name-byte-ranges
 */
export type RangeRequest = ByteRange | "everything" | "unsatisfiable" | "malformed";

/** Ranges of one header that are looked at; more are malformed. */
const RANGES_MAX = 64;

export function parseRange(header: string | undefined, size: number): RangeRequest {
  const [, list] = /^\s*bytes\s*=(.*)$/is.exec(header ?? "") ?? [];
  if (list === undefined) return "everything";
  const texts = list.split(",", RANGES_MAX + 1);
  if (texts.length > RANGES_MAX) return "malformed";
  const ranges = texts.map((text) => parseOne(text.trim(), size));
  if (ranges.includes("malformed")) return "malformed";
  // Some clients send a range with every request: an empty file is answered whole, as Go's and most servers do.
  if (size === 0) return "everything";
  return ranges.find((range) => typeof range === "object") ?? "unsatisfiable";
}

function parseOne(text: string, size: number): RangeRequest {
  const [, from, to] = /^(\d{0,16})\s*-\s*(\d{0,16})$/.exec(text) ?? [];
  if (from === undefined || to === undefined || (from === "" && to === "")) return "malformed";
  if (from === "") {
    const count = Number(to);
    return count === 0 ? "unsatisfiable" : { first: Math.max(0, size - count), last: size - 1 };
  }
  const first = Number(from);
  const last = to === "" ? size - 1 : Math.min(Number(to), size - 1);
  if (to !== "" && Number(to) < first) return "malformed";
  return first >= size ? "unsatisfiable" : { first, last };
}
