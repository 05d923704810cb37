import type { CID } from "multiformats/cid";
import { base64, base64pad } from "multiformats/bases/base64";
import { parseCid } from "../content/cid.ts";
import { isHoldfastError } from "../errors.ts";
import { type IpnsName, parseIpnsName } from "../ipns/name.ts";
import { RECORD_BYTES_MAX } from "../ipns/record.ts";
import { type EventTemplate, tagValue } from "./event.ts";

/** The fixed `d` of the reference system, and the `t` by which all announcements are found. */
export const ANNOUNCEMENT_TAG = "ipfs-pin";

export interface AnnouncedRecord {
  readonly name: IpnsName;
  /** As announced: nothing of them was checked. */
  readonly bytes: Uint8Array;
}

/** What an event asks to be kept. */
export interface PinAnnouncement {
  /** Of all `cid` tags (R26), each once, in the order of the tags: legacy writers put the newest last. */
  readonly cids: readonly CID[];
  /** Of all `ipns` tags and all records, each once. */
  readonly names: readonly IpnsName[];
  readonly records: readonly AnnouncedRecord[];
  /** For people; at most 255 characters. */
  readonly label: string | undefined;
  /** Values that are not what their tag says, each once, shortened. */
  readonly malformed: readonly { readonly tag: string; readonly value: string }[];
}

/** Whether the tags are those of a pin announcement: found by `d` as in the reference system, or by `t`. */
export function isPinAnnouncement(event: EventTemplate): boolean {
  return event.tags.some(([name, value]) => (name === "d" || name === "t") && value === ANNOUNCEMENT_TAG);
}

/** When the event expires (NIP-40), in seconds; undefined when it does not say so in a form that can be read. */
export function expirationSOf(event: EventTemplate): number | undefined {
  const text = tagValue(event, "expiration");
  return text !== undefined && /^\d{1,12}$/.test(text) ? Number(text) : undefined;
}

const LABEL_LENGTH_MAX = 255;
/** 64 KiB hold about so many. */
const RECORDS_MAX = 128;
const BASE64_LENGTH_MAX = Math.ceil(RECORD_BYTES_MAX / 3) * 4;

/**
 * Reads what an event announces. Tags `cid`, `ipns` and `ipns-record` (name, base64), and `records` (`name`, base64 `record`) of
 * a JSON content. What cannot be read is listed and costs the rest nothing.
 *
 * @see protocols.md §6.6
 */
export function parsePinAnnouncement(event: EventTemplate): PinAnnouncement {
  const cids = new Map<string, CID>();
  const names = new Map<string, IpnsName>();
  const malformed = new Map<string, { tag: string; value: string }>();
  const records: AnnouncedRecord[] = [];
  const read = <T>(tag: string, value: string, parse: (text: string) => T): T | undefined => {
    try {
      return parse(value);
    } catch (err) {
      if (!isHoldfastError(err)) throw err;
      const shown = value.slice(0, 100);
      malformed.set(`${tag} ${shown}`, { tag, value: shown });
      return undefined;
    }
  };
  for (const [tag = "", value = "", base64Text = ""] of [...event.tags, ...recordTagsOf(event.content)]) {
    if (tag === "cid") {
      const cid = read(tag, value, parseCid);
      if (cid !== undefined) cids.set(cid.toString(), cid);
    } else if (tag === "ipns" || tag === "ipns-record") {
      const name = read(tag, value, parseIpnsName);
      if (name !== undefined) names.set(name.text, name);
      if (name === undefined || tag === "ipns") continue;
      const bytes = decodeBase64(base64Text);
      if (bytes !== undefined && records.length < RECORDS_MAX) records.push({ name, bytes });
      else malformed.set(`${tag} ${name.text}`, { tag, value: name.text });
    }
  }
  return {
    cids: [...cids.values()],
    names: [...names.values()],
    records,
    label: tagValue(event, "name")?.slice(0, LABEL_LENGTH_MAX),
    malformed: [...malformed.values()],
  };
}

/** The records of a JSON content, in the form of tags. Any other content is somebody else's and no mistake. */
function recordTagsOf(content: string): string[][] {
  if (!content.includes('"records"')) return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(content);
  } catch {
    return [];
  }
  const list: unknown =
    typeof parsed === "object" && parsed !== null && "records" in parsed && parsed.records;
  if (!Array.isArray(list)) return [];
  return list.slice(0, RECORDS_MAX).flatMap((item: unknown) => {
    if (typeof item !== "object" || item === null || !("name" in item) || !("record" in item)) return [];
    const { name, record } = item;
    return typeof name === "string" && typeof record === "string" ? [["ipns-record", name, record]] : [];
  });
}

function decodeBase64(text: string): Uint8Array | undefined {
  if (text === "" || text.length > BASE64_LENGTH_MAX || !BASE64.test(text)) return undefined;
  try {
    return text.endsWith("=") ? base64pad.baseDecode(text) : base64.baseDecode(text);
  } catch {
    // Digits that no bytes have.
    return undefined;
  }
}

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
