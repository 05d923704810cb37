import {
  decodePublicKey,
  formatIpnsName,
  type IpnsName,
  type IpnsRecord,
  isHoldfastError,
} from "@holdfast/core";
import type { Anomaly } from "../records/anomalies/anomaly-store.ts";
import type { HistoricRecord } from "../records/name-history.ts";
import { pathOrNull } from "../records/path-or-null.ts";
import type { PropagationStatus } from "../records/keep-alive/propagation-status.ts";

/** How `/names` and `holdfast name inspect` show names: instants as ISO 8601, large integers as exact text beside numbers. */

export interface NameView {
  readonly name: string;
  readonly spellings: { readonly base36: string; readonly base32: string; readonly base58btc: string };
}

export interface RecordView {
  /** Where it points; null when the owner signed something that is no content path. */
  readonly value: string | null;
  readonly valueBase64: string;
  /** Not exact above 2^53; `sequenceText` is. */
  readonly sequence: number;
  readonly sequenceText: string;
  /** As signed. */
  readonly validity: string;
  readonly eol: string;
  readonly expired: boolean;
  readonly ttlNs: string | null;
  readonly ttlSeconds: number | null;
  readonly signatureType: string | null;
  /** The whole record, base64. */
  readonly bytes: string;
}

export interface HistoryEntryView extends RecordView {
  readonly receivedAt: string;
  readonly origin: string;
  readonly current: boolean;
}

export interface AnomalyView {
  readonly kind: string;
  readonly count: number;
  readonly counts: { readonly client: number; readonly network: number; readonly peerPush: number };
  readonly firstSeenAt: string;
  readonly lastSeenAt: string;
  readonly sample: {
    readonly sequenceText: string;
    readonly storedSequenceText: string;
    readonly valueSha256: string;
    readonly via: string;
  };
}

export interface PropagationView {
  readonly targets: readonly Record<string, unknown>[];
  readonly nextRepublishAt: string | null;
}

export function viewName(name: IpnsName): NameView {
  return {
    name: name.text,
    spellings: {
      base36: name.text,
      base32: formatIpnsName(name, "base32"),
      base58btc: formatIpnsName(name, "base58btc"),
    },
  };
}

/**
 * @param name absent when it is not known whose record this is.
 * @param nowMs the instant at which it is asked whether the record has expired.
 */
export function viewRecord(name: IpnsName | undefined, record: IpnsRecord, nowMs: number): RecordView {
  return {
    value: pathOrNull(record),
    valueBase64: Buffer.from(record.value).toString("base64"),
    sequence: Number(record.sequence),
    sequenceText: record.sequence.toString(),
    validity: record.validity,
    eol: isoOf(record.eolMs),
    expired: nowMs > record.eolMs,
    ttlNs: record.ttlNs?.toString() ?? null,
    ttlSeconds: record.ttlNs === undefined ? null : Number(record.ttlNs) / 1e9,
    signatureType: keyTypeOf(name, record),
    bytes: Buffer.from(record.bytes).toString("base64"),
  };
}

export function viewHistoryEntry(
  name: IpnsName,
  { record, receivedAtMs, origin }: HistoricRecord,
  { nowMs, isCurrent }: { readonly nowMs: number; readonly isCurrent: boolean },
): HistoryEntryView {
  return {
    ...viewRecord(name, record, nowMs),
    receivedAt: isoOf(receivedAtMs),
    origin,
    current: isCurrent,
  };
}

export function viewAnomaly({ kind, counts, firstSeenMs, lastSeenMs, sample }: Anomaly): AnomalyView {
  const { client, network, "peer-push": peerPush } = counts;
  return {
    kind,
    count: client + network + peerPush,
    counts: { client, network, peerPush },
    firstSeenAt: isoOf(firstSeenMs),
    lastSeenAt: isoOf(lastSeenMs),
    sample: {
      sequenceText: sample.sequence.toString(),
      storedSequenceText: sample.storedSequence.toString(),
      valueSha256: sample.valueSha256,
      via: sample.via,
    },
  };
}

export function viewPropagation({ targets, nextRepublishMs }: PropagationStatus): PropagationView {
  return {
    targets: targets.map(({ target, state, attempts, confirmedAtMs, confirmedPeers, nextAttemptMs }) => ({
      target,
      state,
      attempts,
      confirmedAt: isoOrNull(confirmedAtMs),
      confirmedPeers: confirmedPeers ?? null,
      nextAttemptAt: isoOrNull(nextAttemptMs),
    })),
    nextRepublishAt: isoOrNull(nextRepublishMs),
  };
}

/** The last instant that a date can say; EOLs may lie beyond it. */
const DATE_MS_MAX = 8.64e15;

export function isoOf(ms: number): string {
  return new Date(Math.min(ms, DATE_MS_MAX)).toISOString();
}

function isoOrNull(ms: number | undefined): string | null {
  return ms === undefined ? null : isoOf(ms);
}

function keyTypeOf(name: IpnsName | undefined, { embeddedPublicKey }: IpnsRecord): string | null {
  if (name?.publicKey !== undefined) return name.publicKey.type;
  if (embeddedPublicKey === undefined) return null;
  try {
    return decodePublicKey(embeddedPublicKey).type;
  } catch (err) {
    // Only in a record that was not validated.
    if (isHoldfastError(err)) return null;
    throw err;
  }
}
