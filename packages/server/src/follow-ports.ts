import {
  contentPathOf,
  domainOf,
  HoldfastError,
  type IpnsName,
  isHoldfastError,
  parseCid,
  parseContentPath,
  parseIpnsName,
} from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { FollowedVersion } from "./pins/follow/follow-store.ts";
import type { FollowedRecords, NameTarget } from "./pins/follow/followed-records.ts";
import { pinKeyOf } from "./pins/pin-key.ts";
import { ipfsRootOf } from "./pins/sweep/record-roots.ts";
import type { Records } from "./records/records.ts";
import type { Clock } from "./telemetry/clock.ts";

/** How many names may stand behind each other, as for everybody who resolves a path (protocols.md §1.3). */
const NAMES_MAX = 32;

type HeldRecords = Pick<Records, "held" | "history" | "resolvePath" | "onStored">;

interface Walk {
  readonly root: CID;
  /** The value of the name's own record is `/ipfs/…`. */
  readonly isDirect: boolean;
}

/** The room of records, as those see it who follow names. */
export function followedRecords(records: HeldRecords, clock: Clock): FollowedRecords {
  return {
    async look(name, { after, signal }) {
      const lookedAtMs = clock.nowMs();
      const held = records.held(name);
      if (held === undefined) return unknown([], "no record that is valid now is held");
      const via: IpnsName[] = [];
      try {
        const { root, isDirect } = await walk(records, name, via, signal);
        const now = { root, seenAtMs: isDirect ? held.receivedAtMs : lookedAtMs };
        const earlier =
          after === undefined || isSame(after, now)
            ? []
            : earlierRoots(records, name, after, held.receivedAtMs);
        return { roots: [...earlier, now], via, problem: undefined };
      } catch (err) {
        signal.throwIfAborted();
        if (!isHoldfastError(err)) throw err;
        return unknown(via, err.message);
      }
    },
    onStored: (listener) => records.onStored(({ name }) => listener(name)),
  };
}

function isSame(a: FollowedVersion, b: FollowedVersion): boolean {
  return a.seenAtMs === b.seenAtMs && pinKeyOf(a.root) === pinKeyOf(b.root);
}

function unknown(via: readonly IpnsName[], problem: string): NameTarget {
  return { roots: [], via, problem };
}

/** `via` gets the names on the way, also those without a record: once one comes, the walk goes on. */
async function walk(
  records: HeldRecords,
  name: IpnsName,
  via: IpnsName[],
  signal: AbortSignal,
): Promise<Walk> {
  const seen = new Set<string>();
  for (let current = name; ;) {
    if (seen.has(current.text)) throw new HoldfastError("INVALID_PATH", "names point at each other");
    if (seen.size >= NAMES_MAX) throw new HoldfastError("INVALID_PATH", "too many names behind each other");
    seen.add(current.text);
    const record = records.held(current)?.record;
    if (record === undefined)
      throw new HoldfastError("RECORD_NOT_FOUND", `no valid record of ${current.text} is held`);
    const path = contentPathOf(record);
    const { namespace, root } = parseContentPath(path, { percentEncoded: false });
    if (namespace === "ipfs") return { root: parseCid(root), isDirect: current === name };
    if (domainOf(root) !== undefined)
      return { root: await rootBehindDomain(records, path, via, signal), isDirect: false };
    current = parseIpnsName(root);
    via.push(current);
  }
}

/** No record tells when a domain changes: it is asked for with each look, through the cache of DNS. */
async function rootBehindDomain(
  records: HeldRecords,
  path: string,
  via: IpnsName[],
  signal: AbortSignal,
): Promise<CID> {
  const resolved = await records.resolvePath(path, { signal });
  via.push(...resolved.resolutions.map(({ stored }) => stored.record.name));
  return parseCid(parseContentPath(resolved.path, { percentEncoded: false }).root);
}

/** What the name's own records pointed to meanwhile, without the current one: changes may come faster than they are looked at. */
function earlierRoots(
  records: HeldRecords,
  name: IpnsName,
  after: FollowedVersion,
  currentMs: number,
): readonly FollowedVersion[] {
  const [, ...before] = records.history(name);
  return before
    .filter(({ receivedAtMs }) => receivedAtMs >= after.seenAtMs && receivedAtMs <= currentMs)
    .toReversed()
    .flatMap(({ record, receivedAtMs }) => {
      const root = ipfsRootOf(record);
      return root === undefined ? [] : [{ root, seenAtMs: receivedAtMs }];
    });
}
