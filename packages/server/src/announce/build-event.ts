import {
  type AnnouncementFacts,
  buildBulkAnnouncement,
  buildCidAnnouncement,
  buildLegacyAnnouncement,
  buildRecordAnnouncement,
  type EventTemplate,
  type IpnsName,
  type IpnsRecord,
  parseCid,
  parseIpnsName,
  SUBJECTS_PER_EVENT_MAX,
} from "@holdfast/core";
import type { AnnouncementOutbox, Subject } from "./announcement-outbox.ts";

export interface EventSources {
  readonly outbox: Pick<AnnouncementOutbox, "newest">;
  /** The record that is held now, unless it has expired. */
  readonly records: { held(name: IpnsName): IpnsRecord | undefined };
}

/** What a subject is announced with now; undefined when there is nothing to say about it any more. */
export function buildEvent(
  { kind, d, items }: Subject,
  { outbox, records }: EventSources,
  facts: AnnouncementFacts,
): EventTemplate | undefined {
  const [item] = items;
  switch (kind) {
    case "cid":
      return item === undefined ? undefined : buildCidAnnouncement(parseCid(item), facts);
    case "name": {
      const name = item === undefined ? undefined : parseIpnsName(item);
      const record = name === undefined ? undefined : records.held(name);
      return name === undefined || record === undefined
        ? undefined
        : buildRecordAnnouncement({ name, record }, facts);
    }
    case "page":
      return buildBulkAnnouncement({ d, cids: items }, facts);
    case "legacy": {
      const cids = outbox.newest("cid", SUBJECTS_PER_EVENT_MAX);
      const names = outbox.newest("name", SUBJECTS_PER_EVENT_MAX);
      return cids.length + names.length === 0 ? undefined : buildLegacyAnnouncement({ cids, names }, facts);
    }
  }
}
