import type { Anomaly } from "../../../records/anomalies/anomaly-store.ts";
import type { AnomalyRow } from "./anomaly-messages.ts";

export function rowOf(name: Uint8Array<ArrayBuffer>, anomaly: Anomaly): AnomalyRow {
  const { kind, firstSeenMs, lastSeenMs, counts, sample } = anomaly;
  return {
    name,
    kind,
    first_seen_ms: firstSeenMs,
    last_seen_ms: lastSeenMs,
    client_count: counts.client,
    network_count: counts.network,
    peer_push_count: counts["peer-push"],
    sequence: sample.sequence.toString(),
    stored_sequence: sample.storedSequence.toString(),
    value_sha256: sample.valueSha256,
    via: sample.via,
  };
}

export function anomalyOf(row: AnomalyRow): Anomaly {
  return {
    kind: row.kind,
    firstSeenMs: row.first_seen_ms,
    lastSeenMs: row.last_seen_ms,
    counts: { client: row.client_count, network: row.network_count, "peer-push": row.peer_push_count },
    sample: {
      sequence: BigInt(row.sequence),
      storedSequence: BigInt(row.stored_sequence),
      valueSha256: row.value_sha256,
      via: row.via,
    },
  };
}
