import type { AnomalyKind } from "../../../records/anomalies/anomaly-store.ts";

/** Adds sightings to what is known, and drops what tells least when there is more than `anomaliesMax`. */
export interface AddAnomaliesJob {
  readonly kind: "add-anomalies";
  readonly notes: readonly AnomalyRow[];
  readonly anomaliesMax: number;
}

/** A row of the table, as it is posted and stored. */
export interface AnomalyRow {
  readonly name: Uint8Array<ArrayBuffer>;
  readonly kind: AnomalyKind;
  readonly first_seen_ms: number;
  readonly last_seen_ms: number;
  readonly client_count: number;
  readonly network_count: number;
  readonly peer_push_count: number;
  readonly sequence: string;
  readonly stored_sequence: string;
  readonly value_sha256: string;
  readonly via: string;
}
