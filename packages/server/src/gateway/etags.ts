/**
 * Whether an `If-None-Match` header names one of the tags: weak comparison, lists and `*`. A malformed header names none.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#name-if-none-match
 */
export function matchesEtag(header: string | undefined, etags: readonly string[]): boolean {
  if (header === undefined) return false;
  if (header.trim() === "*") return true;
  const wanted = new Set(etags.map(opaqueOf));
  return listedTags(header).some((tag) => wanted.has(opaqueOf(tag)));
}

/** Whether an `If-Range` header still names this representation: strong comparison of tags, equality of dates. */
export function isSameRange(
  header: string | undefined,
  current: { readonly etag: string; readonly lastModified: string | undefined },
): boolean {
  if (header === undefined) return true;
  const wanted = header.trim();
  return (wanted === current.etag && !wanted.startsWith("W/")) || wanted === current.lastModified;
}

/** Whether nothing has changed since the date of an `If-Modified-Since` header. A malformed date never says so. */
export function isUnmodifiedSince(header: string | undefined, mtimeMs: number | undefined): boolean {
  if (header === undefined || mtimeMs === undefined) return false;
  const sinceMs = Date.parse(header);
  // HTTP dates have whole seconds.
  return !Number.isNaN(sinceMs) && Math.floor(mtimeMs / 1000) * 1000 <= sinceMs;
}

const opaqueOf = (tag: string): string => (tag.startsWith("W/") ? tag.slice(2) : tag);

function listedTags(header: string): string[] {
  const tags: string[] = [];
  const tag = /[\s,]*((?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")\s*(?:,|$)/y;
  while (tag.lastIndex < header.length) {
    const [, text] = tag.exec(header) ?? [];
    if (text === undefined) return tags;
    tags.push(text);
  }
  return tags;
}
