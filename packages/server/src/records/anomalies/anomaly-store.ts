import type { IpnsName } from "@holdfast/core";
import type { RecordOrigin } from "../record-store.ts";

/** What can be odd about the records that somebody brought for a name which has a record here. */
export type AnomalyKind =
  /** The stored record's sequence leapt. */
  | "jump"
  /** A genuine record with a lower sequence than the stored one, or one that took the place of an expired one with a higher. */
  | "rollback"
  /** Two genuine records with one sequence and different values. */
  | "equivocation"
  /** A record that the key of the name did not sign. */
  | "forged"
  /** A genuine record past its EOL. */
  | "expired";

/** Sightings of one kind at one name. They tell people something and decide nothing. */
export interface Anomaly {
  readonly kind: AnomalyKind;
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
  readonly counts: Readonly<Record<RecordOrigin, number>>;
  readonly sample: AnomalySample;
}

/** One of the sightings, a late one. */
interface AnomalySample {
  readonly sequence: bigint;
  /** Of the record that was stored when the odd one came. */
  readonly storedSequence: bigint;
  /** SHA-256 of the odd record's value, hexadecimal. */
  readonly valueSha256: string;
  /** Who brought it: the label of a router, else its origin. */
  readonly via: string;
}

export interface AnomalyNote extends Anomaly {
  readonly name: IpnsName;
}

/**
 * Anomalies by name and kind, at most `anomaliesMax` of them: when there are more, those that tell least go first
 * ({@link interestOf}), among equals the ones not seen for longest. Every adapter passes `test/contracts/anomaly-store.contract.ts`.
 */
export interface AnomalyStore {
  /**
   * Adds the counts to what is known. Settles when it is durable.
   *
   * @throws HoldfastError `OVERLOADED`, `STORE_FAILED`.
   */
  add(notes: readonly AnomalyNote[]): Promise<void>;

  /** Sees every settled `add`. Sorted by kind. */
  of(name: IpnsName): readonly Anomaly[];
}

/** The kinds that anybody without the owner's key can cause, or that happen by themselves, tell least. */
export function interestOf({ kind, counts }: Pick<Anomaly, "kind" | "counts">): number {
  if (kind === "equivocation") return 3;
  if (kind === "jump" || (kind === "rollback" && counts.client > 0)) return 2;
  return kind === "rollback" ? 0 : 1;
}

/** Both sightings as one. */
export function mergeAnomalies(earlier: Anomaly, later: Anomaly): Anomaly {
  return {
    kind: later.kind,
    firstSeenMs: Math.min(earlier.firstSeenMs, later.firstSeenMs),
    lastSeenMs: Math.max(earlier.lastSeenMs, later.lastSeenMs),
    counts: {
      client: earlier.counts.client + later.counts.client,
      network: earlier.counts.network + later.counts.network,
      "peer-push": earlier.counts["peer-push"] + later.counts["peer-push"],
    },
    sample: later.sample,
  };
}
