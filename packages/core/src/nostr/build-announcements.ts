import type { CID } from "multiformats/cid";
import { base64pad } from "multiformats/bases/base64";
import type { IpnsName } from "../ipns/name.ts";
import type { IpnsRecord } from "../ipns/record.ts";
import type { EventTemplate } from "./event.ts";
import { ANNOUNCEMENT_TAG } from "./pin-announcement.ts";

export interface AnnouncementFacts {
  /** 30078 as the reference system, or another that the relays take. */
  readonly kind: number;
  readonly createdAtS: number;
  /** Which node this is, for people. */
  readonly source: string;
}

/** As many as the reference system puts into one event. */
export const SUBJECTS_PER_EVENT_MAX = 50;

/** The `d` of the one event that announces this CID. */
export function subjectOfCid(cid: CID): string {
  return `${ANNOUNCEMENT_TAG}:${cid.toString()}`;
}

/**
 * Relays index tag values of so many bytes. Longer CIDs carry their content themselves: nobody has to be told who keeps it, and
 * fifty of them would make an event that no relay takes.
 */
const SUBJECT_LENGTH_MAX = 255;

/** Whether an event can name this CID in a tag that relays index: false for identity CIDs of about 150 bytes and more. */
export function canBeAnnounced(cid: CID): boolean {
  return subjectOfCid(cid).length <= SUBJECT_LENGTH_MAX;
}

/** How the `d` of each event that announces a name begins, and of no other event. */
export const NAME_SUBJECT_PREFIX = "ipfs-ipns:";

/** The `d` of the one event that announces this name: a newer record replaces an older one on every relay. */
export function subjectOfName(name: IpnsName): string {
  return `${NAME_SUBJECT_PREFIX}${name.text}`;
}

/** Announces one CID under a `d` of its own, so that nothing else replaces it (R27). */
export function buildCidAnnouncement(cid: CID, facts: AnnouncementFacts): EventTemplate {
  return template(facts, [["d", subjectOfCid(cid)], FOUND_BY, ["cid", cid.toString()]]);
}

/** Announces a record with its bytes. Relays may forget it when the record has expired. */
export function buildRecordAnnouncement(
  { name, record }: { readonly name: IpnsName; readonly record: IpnsRecord },
  facts: AnnouncementFacts,
): EventTemplate {
  return template(facts, [
    ["d", subjectOfName(name)],
    FOUND_BY,
    ["ipns", name.text],
    ["ipns-record", name.text, base64pad.baseEncode(record.bytes)],
    ...(record.eolMs < EXPIRATION_MS_MAX ? [["expiration", String(Math.floor(record.eolMs / 1000))]] : []),
  ]);
}

/**
 * The one event that readers of the reference system know. They take its last `cid` tag only, so the newest is the last.
 *
 * @param subjects oldest first; of each kind the newest {@link SUBJECTS_PER_EVENT_MAX} are used.
 */
export function buildLegacyAnnouncement(
  subjects: { readonly cids: readonly string[]; readonly names: readonly string[] },
  facts: AnnouncementFacts,
): EventTemplate {
  return template(facts, [["d", ANNOUNCEMENT_TAG], ...subjectTags(subjects)]);
}

/** One page of a walk over all pins. @param page.d of its own for each page ({@link subjectOfPage}): the next walk replaces it. */
export function buildBulkAnnouncement(
  page: { readonly d: string; readonly cids: readonly string[] },
  facts: AnnouncementFacts,
): EventTemplate {
  return template(facts, [
    ["d", page.d],
    FOUND_BY,
    ["type", "bulk-reannounce"],
    ...subjectTags({ cids: page.cids, names: [] }),
  ]);
}

export function subjectOfPage(index: number): string {
  return `${ANNOUNCEMENT_TAG}:bulk:${index}`;
}

const FOUND_BY = ["t", ANNOUNCEMENT_TAG];
/** Of what is kept for so long nobody needs to be told when it ends: 9999-12-31. */
const EXPIRATION_MS_MAX = 253_402_300_799_000;
const SOURCE_LENGTH_MAX = 255;

function subjectTags(subjects: {
  readonly cids: readonly string[];
  readonly names: readonly string[];
}): string[][] {
  return [
    ...subjects.cids.slice(-SUBJECTS_PER_EVENT_MAX).map((cid) => ["cid", cid]),
    ...subjects.names.slice(-SUBJECTS_PER_EVENT_MAX).map((name) => ["ipns", name]),
  ];
}

function template({ kind, createdAtS, source }: AnnouncementFacts, tags: string[][]): EventTemplate {
  // NIP-01 and JSON write control characters differently, so readers might not agree on the id.
  const printable = source
    .replace(/\p{Cc}/gu, " ")
    .slice(0, SOURCE_LENGTH_MAX)
    .toWellFormed();
  return { kind, createdAtS, tags, content: JSON.stringify({ source: printable, timestamp: createdAtS }) };
}
