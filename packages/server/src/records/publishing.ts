import {
  checkRecord,
  compareRecords,
  type IpnsName,
  isHoldfastError,
  type RecordProblem,
  recordProblemOf,
  validateRecord,
  type VerifySignature,
} from "@holdfast/core";
import type { Clock } from "../telemetry/clock.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { AnomalyWatch, RecordSource } from "./anomalies/anomalies.ts";
import { type ExpectedSequence, sequenceConflict } from "./expected-sequence.ts";
import type { HeldRecords } from "./held-records.ts";
import type { PutResult, RecordStore, StoredRecord } from "./record-store.ts";

export interface PublishingParts {
  readonly store: RecordStore;
  readonly held: HeldRecords;
  readonly anomalies: AnomalyWatch | undefined;
  readonly verifySignature: VerifySignature;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface PublishFacts extends RecordSource {
  /** What has to be stored for this record to take its place. Absent: the better record wins, whatever is stored. */
  readonly expected?: ExpectedSequence | undefined;
}

export interface RecordStoredEvent {
  readonly name: IpnsName;
  readonly current: StoredRecord;
}

export type RecordListener = (event: RecordStoredEvent) => void;

/** What only somebody without the name's key makes. */
const FORGED: ReadonlySet<RecordProblem | undefined> = new Set(["SIGNATURE_INVALID", "PUBLIC_KEY_MISMATCH"]);

/** The one door through which records come in, whoever brings them. */
export class Publishing {
  readonly #parts: PublishingParts;
  readonly #listeners = new Set<RecordListener>();

  constructor(parts: PublishingParts) {
    this.#parts = parts;
  }

  /** See `Records.publish`. */
  async publish(name: IpnsName, recordBytes: Uint8Array, facts: PublishFacts): Promise<PutResult> {
    const { clock, held, metrics } = this.#parts;
    const receivedAtMs = clock.nowMs();
    const last = held.last(name);
    try {
      const result =
        this.#withoutSignature(name, recordBytes, last, facts, receivedAtMs) ??
        (await this.#store(name, recordBytes, facts, receivedAtMs));
      metrics.records[result.outcome]++;
      return result;
    } catch (err) {
      if (isHoldfastError(err) && err.code === "SEQUENCE_CONFLICT") metrics.records.conflicts++;
      if (isHoldfastError(err) && err.code === "RECORD_INVALID") {
        metrics.records.rejected++;
        if (last !== undefined) this.#noteRefused(name, recordBytes, last, facts, recordProblemOf(err));
      }
      throw err;
    }
  }

  /** See `Records.onStored`. */
  onStored(listener: RecordListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /**
   * The answers that need no signature check: the same bytes as the stored record, a record that loses to it, or one that
   * expects less than it. A flood of forged records must not buy signature checks with low sequences.
   *
   * Putting the stored bytes again does not count as a confirmation: anybody can do that, and could so keep an old record
   * looking fresh here while the network holds a newer one.
   */
  #withoutSignature(
    name: IpnsName,
    recordBytes: Uint8Array,
    last: StoredRecord | undefined,
    facts: PublishFacts,
    nowMs: number,
  ): PutResult | undefined {
    const { record } = checkRecord(recordBytes, name, nowMs);
    if (last === undefined || nowMs > last.record.eolMs) return undefined;
    const order = compareRecords(record, last.record);
    if (order === 0) return { outcome: "unchanged", current: last };
    if (isPassed(facts.expected, last.record.sequence)) throw sequenceConflict(last.record, nowMs);
    if (order > 0) return undefined;
    this.#parts.anomalies?.noteLost(name, record, last.record, facts, { isGenuine: false });
    return { outcome: "superseded", current: last };
  }

  async #store(
    name: IpnsName,
    recordBytes: Uint8Array,
    facts: PublishFacts,
    receivedAtMs: number,
  ): Promise<PutResult> {
    const { held, store, anomalies, verifySignature } = this.#parts;
    const { origin, expected } = facts;
    const record = await validateRecord(recordBytes, name, { nowMs: receivedAtMs, verifySignature });
    const result = await store.put(record, { origin, receivedAtMs, expected });
    const { outcome, current, replaced } = result;
    held.merge(current, receivedAtMs);
    if (outcome === "stored") this.#announce({ name, current });
    if (replaced !== undefined) anomalies?.noteStored(name, record, replaced, facts);
    if (outcome === "superseded")
      anomalies?.noteLost(name, record, current.record, facts, { isGenuine: true });
    return result;
  }

  #noteRefused(
    name: IpnsName,
    recordBytes: Uint8Array,
    last: StoredRecord,
    source: RecordSource,
    problem: RecordProblem | undefined,
  ): void {
    const { anomalies } = this.#parts;
    if (problem === "EXPIRED") anomalies?.noteExpired(name, recordBytes, last.record, source);
    if (FORGED.has(problem)) anomalies?.noteForged(name, recordBytes, last.record, source);
  }

  #announce(event: RecordStoredEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (err) {
        // The record is stored; a listener that fails must not turn that into a refusal.
        this.#parts.logger.error({ err, name: event.name.text }, "record listener failed");
      }
    }
  }
}

/**
 * Whether what is expected lies behind for certain. What is held here may lag behind the store for a moment, never run ahead of it,
 * so a higher expectation is for the store to judge.
 */
function isPassed(expected: ExpectedSequence | undefined, heldSequence: bigint): boolean {
  return expected === "none" || (typeof expected === "bigint" && expected < heldSequence);
}
