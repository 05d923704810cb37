import { contentPathOf, domainOf, freshForMs, HoldfastError, parseIpnsName } from "@holdfast/core";
import type { Clock } from "../telemetry/clock.ts";
import type { Ask } from "./lookup/ask.ts";
import type { Dnslinks } from "./dnslinks.ts";
import type { Records, Resolution } from "./records.ts";

/** How many `/ipns/…` values are followed before the path is refused (protocols.md §1.3; Kubo's limit too). */
const IPNS_DEPTH_MAX = 32;

export interface ResolvedPath {
  /** `/ipfs/{cid}[/path]`, plain text: nothing in it is percent-encoded. */
  readonly path: string;
  /**
   * How long this answer may be reused: the shortest remaining freshness, time to EOL or DNS TTL on the way. Infinity for
   * `/ipfs/…`.
   */
  readonly maxAgeMs: number;
  /** The shortest DNS TTL on the way; Infinity when there is no domain. */
  readonly linksMaxAgeMs: number;
  /** One for each record on the way, in order. */
  readonly resolutions: readonly Resolution[];
}

interface Sources {
  readonly records: Pick<Records, "resolve">;
  /** Absent: domains are not followed. */
  readonly dnslinks?: Dnslinks | undefined;
  readonly clock: Clock;
}

interface ResolveOptions {
  readonly signal: AbortSignal;
  readonly ask?: Ask;
}

/** What stands behind one root of an `/ipns` path. */
interface Step {
  /** Equal for all spellings of the root. */
  readonly key: string;
  readonly path: string;
  /** When this can be relied on no longer: the steps behind it may take their time. */
  readonly untilMs: number;
  readonly resolution?: Resolution;
}

/**
 * Follows `/ipns/{name}…` and `/ipns/{domain}…` until an `/ipfs/…` path is reached. Paths behind roots and inside values are
 * joined. All paths are plain text, as record values are: a `%` stands for itself.
 *
 * @throws HoldfastError `INVALID_PATH` for a loop, more than 32 roots, or another namespace; `INVALID_NAME`;
 *   `RECORD_NOT_FOUND` for a domain without DNSLink; whatever {@link Records.resolve} and {@link Dnslinks.resolve} throw.
 */
export async function resolveContentPath(
  sources: Sources,
  path: string,
  options: ResolveOptions,
): Promise<ResolvedPath> {
  const resolutions: Resolution[] = [];
  const seen = new Set<string>();
  let current = path;
  let untilMs = Number.POSITIVE_INFINITY;
  let linksUntilMs = Number.POSITIVE_INFINITY;
  while (!current.startsWith("/ipfs/")) {
    const [, root, rest = ""] = /^\/ipns\/([^/]+)(\/.*)?$/s.exec(current) ?? [];
    if (root === undefined)
      throw new HoldfastError("INVALID_PATH", `not a content path: ${shortened(current)}`);
    if (seen.size >= IPNS_DEPTH_MAX)
      throw new HoldfastError("INVALID_PATH", "too many names behind each other");
    const step = await stepFrom(root, sources, options, seen);
    seen.add(step.key);
    if (step.resolution !== undefined) resolutions.push(step.resolution);
    else linksUntilMs = Math.min(linksUntilMs, step.untilMs);
    untilMs = Math.min(untilMs, step.untilMs);
    current = joined(step.path, rest);
  }
  const nowMs = sources.clock.nowMs();
  return {
    path: current,
    maxAgeMs: Math.max(0, untilMs - nowMs),
    linksMaxAgeMs: Math.max(0, linksUntilMs - nowMs),
    resolutions,
  };
}

async function stepFrom(
  root: string,
  { records, dnslinks, clock }: Sources,
  options: ResolveOptions,
  seen: ReadonlySet<string>,
): Promise<Step> {
  const domain = domainOf(root);
  const name = domain === undefined ? parseIpnsName(root) : undefined;
  const key = name?.text ?? domain ?? root;
  if (seen.has(key)) throw new HoldfastError("INVALID_PATH", `names point at each other: ${key}`);
  if (name === undefined) {
    const link = await dnslinks?.resolve(key, options);
    if (link === undefined) throw new HoldfastError("RECORD_NOT_FOUND", `no DNSLink at _dnslink.${key}`);
    return { key, path: link.path, untilMs: clock.nowMs() + link.ttlMs };
  }
  const resolution = await records.resolve(name, options);
  const { record, checkedAtMs } = resolution.stored;
  const isFresh = resolution.freshness === "fresh";
  const freshUntilMs = isFresh ? checkedAtMs + freshForMs(record.ttlNs) : clock.nowMs();
  return { key, path: contentPathOf(record), untilMs: Math.min(freshUntilMs, record.eolMs), resolution };
}

function joined(base: string, rest: string): string {
  return rest === "" ? base : base.replace(/\/+$/, "") + rest;
}

function shortened(text: string): string {
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`;
}
