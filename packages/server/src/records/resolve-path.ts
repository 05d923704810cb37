import { contentPathOf, freshForMs, HoldfastError, parseIpnsName } from "@holdfast/core";
import type { Records, Resolution } from "./records.ts";

/** How many `/ipns/…` values are followed before the path is refused (protocols.md §1.3; Kubo's limit too). */
const IPNS_DEPTH_MAX = 32;

export interface ResolvedPath {
  /** `/ipfs/{cid}[/path]`, plain text: nothing in it is percent-encoded. */
  readonly path: string;
  /** How long this answer may be reused: the shortest remaining freshness or time to EOL on the way. Infinity for `/ipfs/…`. */
  readonly maxAgeMs: number;
  /** One for each name on the way, in order. */
  readonly resolutions: readonly Resolution[];
}

/**
 * Follows `/ipns/…` until an `/ipfs/…` path is reached. Paths behind names and inside record values are joined.
 * All paths are plain text, as record values are: a `%` stands for itself.
 *
 * @throws HoldfastError `INVALID_PATH` for a loop, more than 32 names, or another namespace; `INVALID_NAME`; whatever
 *   {@link Records.resolve} throws.
 */
export async function resolveContentPath(
  records: Pick<Records, "resolve">,
  path: string,
  options: { readonly signal: AbortSignal; readonly ask?: "if-absent" | "first"; readonly nowMs: number },
): Promise<ResolvedPath> {
  const resolutions: Resolution[] = [];
  const seen = new Set<string>();
  let current = path;
  let maxAgeMs = Number.POSITIVE_INFINITY;
  while (!current.startsWith("/ipfs/")) {
    const [, root, rest = ""] = /^\/ipns\/([^/]+)(\/.*)?$/s.exec(current) ?? [];
    if (root === undefined)
      throw new HoldfastError("INVALID_PATH", `not a content path: ${shortened(current)}`);
    const name = parseIpnsName(root);
    if (seen.has(name.text))
      throw new HoldfastError("INVALID_PATH", `names point at each other: ${name.text}`);
    if (seen.size >= IPNS_DEPTH_MAX)
      throw new HoldfastError("INVALID_PATH", "too many names behind each other");
    seen.add(name.text);
    const resolution = await records.resolve(name, options);
    const { record, checkedAtMs } = resolution.stored;
    const freshLeftMs =
      resolution.freshness === "fresh" ? checkedAtMs + freshForMs(record.ttlNs) - options.nowMs : 0;
    maxAgeMs = Math.max(0, Math.min(maxAgeMs, freshLeftMs, record.eolMs - options.nowMs));
    resolutions.push(resolution);
    current = joined(contentPathOf(record), rest);
  }
  return { path: current, maxAgeMs, resolutions };
}

function joined(base: string, rest: string): string {
  return rest === "" ? base : base.replace(/\/+$/, "") + rest;
}

function shortened(text: string): string {
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`;
}
