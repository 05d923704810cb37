export { HoldfastError, isHoldfastError } from "./errors.ts";
export type { ErrorCode, HoldfastErrorOptions } from "./errors.ts";
export { parseCid } from "./content/cid.ts";
export { isLinkPath, selectDnslink } from "./content/dnslink.ts";
export { domainOf } from "./content/domain.ts";
export { formatContentPath, parseContentPath } from "./content/path.ts";
export type { ContentPath } from "./content/path.ts";
export { createRecord } from "./ipns/create-record.ts";
export type { RecordContent, Sign } from "./ipns/create-record.ts";
export { freshForMs, freshnessOf } from "./ipns/freshness.ts";
export type { Freshness } from "./ipns/freshness.ts";
export {
  formatIpnsName,
  IpnsName,
  ipnsNameOfMultihash,
  ipnsNameOfPublicKey,
  ipnsNameOfRoutingKey,
  parseIpnsName,
} from "./ipns/name.ts";
export { decodePublicKey, encodePublicKey } from "./ipns/public-key.ts";
export type { KeyType, PublicKey } from "./ipns/public-key.ts";
export type { RecordMetadata } from "./ipns/record-data.ts";
export { recordProblemOf } from "./ipns/record-problem.ts";
export type { RecordProblem } from "./ipns/record-problem.ts";
export { contentPathOf, decodeRecord, RECORD_BYTES_MAX } from "./ipns/record.ts";
export type { IpnsRecord } from "./ipns/record.ts";
export { compareRecords, selectRecord } from "./ipns/select.ts";
export { checkRecord, restoreRecord, ValidatedRecord, validateRecord } from "./ipns/validate.ts";
export type { VerifySignature } from "./ipns/validate.ts";
export { parseNostrKey } from "./nostr/bech32.ts";
export {
  buildBulkAnnouncement,
  buildCidAnnouncement,
  buildLegacyAnnouncement,
  buildRecordAnnouncement,
  canBeAnnounced,
  NAME_SUBJECT_PREFIX,
  SUBJECTS_PER_EVENT_MAX,
  subjectOfCid,
  subjectOfName,
  subjectOfPage,
} from "./nostr/build-announcements.ts";
export type { AnnouncementFacts } from "./nostr/build-announcements.ts";
export {
  EVENT_BYTES_MAX,
  eventInvalid,
  parseNostrEvent,
  serializeForId,
  tagValue,
  wireEventOf,
} from "./nostr/event.ts";
export type { EventProblem, EventTemplate, NostrEvent, WireEvent } from "./nostr/event.ts";
export {
  ANNOUNCEMENT_TAG,
  expirationSOf,
  isPinAnnouncement,
  parsePinAnnouncement,
} from "./nostr/pin-announcement.ts";
export type { AnnouncedRecord, PinAnnouncement } from "./nostr/pin-announcement.ts";
export { VerifiedEvent, verifyNostrEvent } from "./nostr/verified-event.ts";
export type { CheckEvent, EventSigner } from "./nostr/verified-event.ts";
