import { createHash } from "node:crypto";
import { decodeRecord, type IpnsName, type IpnsRecord, type VerifySignature } from "@holdfast/core";
import { LRUCache } from "lru-cache";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import {
  type Anomaly,
  type AnomalyKind,
  type AnomalyNote,
  type AnomalyStore,
  mergeAnomalies,
} from "./anomaly-store.ts";
import type { RecordOrigin, ReplacedRecord } from "../record-store.ts";
import { type SuspectCheckOptions, SuspectChecks } from "./suspect-checks.ts";

export interface AnomalyParts {
  readonly store: AnomalyStore;
  readonly verifySignature: VerifySignature;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface AnomalyOptions extends SuspectCheckOptions {
  /** A sequence that rises by more than this leaps. */
  readonly jumpMax: bigint;
  /** How long sightings gather before they are written together. */
  readonly writeDelayMs: number;
  /** Names and kinds with sightings not written yet; those of further ones are dropped. */
  readonly pendingMax: number;
  /** Peers answer with a predecessor as long as they keep it: of each name and kind one such sighting in so long counts. */
  readonly peerIntervalMs: number;
}

/** Who brought a record. */
export interface RecordSource {
  readonly origin: RecordOrigin;
  /** The label of the router whose answer it was. */
  readonly via?: string | undefined;
}

interface Sighting {
  readonly kind: AnomalyKind;
  readonly name: IpnsName;
  /** Of the odd record; made for the first sighting of a batch only. */
  readonly odd: () => Pick<IpnsRecord, "sequence" | "value">;
  readonly storedSequence: bigint;
  readonly source: RecordSource;
}

const COUNTERS = {
  jump: "jumps",
  rollback: "rollbacks",
  equivocation: "equivocations",
  forged: "forged",
  expired: "expired",
} as const satisfies Record<AnomalyKind, keyof Metrics["anomalies"]>;

/**
 * Keeps an eye on what is brought for names that have a record here, and writes down what is odd. Advisory only: it is
 * told after a record was decided on, and has no way to change the decision (R6). Never waits, never throws; what one second
 * saw is one write, however much it was.
 */
export class AnomalyWatch {
  readonly #parts: AnomalyParts;
  readonly #options: AnomalyOptions;
  readonly #suspects: SuspectChecks;
  readonly #seenFromPeersMs: LRUCache<string, number>;
  #pending = new Map<string, AnomalyNote>();
  #cancelWrite: (() => void) | undefined;
  #writing: Promise<void> | undefined;
  #isClosed = false;

  constructor(parts: AnomalyParts, options: AnomalyOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#suspects = new SuspectChecks(parts.verifySignature, options);
    this.#seenFromPeersMs = new LRUCache({ max: options.verdictsMax });
  }

  /** A genuine record was stored in place of another. */
  noteStored(name: IpnsName, record: IpnsRecord, replaced: ReplacedRecord, source: RecordSource): void {
    const { sequence } = record;
    const shared = { name, storedSequence: replaced.sequence, source };
    if (sequence < replaced.sequence) this.#note({ ...shared, kind: "rollback", odd: () => record });
    if (sequence - replaced.sequence > this.#options.jumpMax)
      this.#note({ ...shared, kind: "jump", odd: () => record });
    if (sequence === replaced.sequence && Buffer.compare(record.value, replaced.value) !== 0)
      this.#note({ ...shared, kind: "equivocation", odd: () => replaced });
  }

  /** A record lost to the stored one. `isGenuine` when its signature was checked. */
  noteLost(
    name: IpnsName,
    record: IpnsRecord,
    stored: IpnsRecord,
    source: RecordSource,
    { isGenuine }: { readonly isGenuine: boolean },
  ): void {
    const isLower = record.sequence < stored.sequence;
    // The same value with an earlier EOL is what the last republish left behind.
    if (!isLower && Buffer.compare(record.value, stored.value) === 0) return;
    const kind = isLower ? "rollback" : "equivocation";
    const sighting = { kind, name, odd: () => record, storedSequence: stored.sequence, source } as const;
    if (isGenuine) this.#noteGenuine(sighting);
    else this.#noteIfGenuine(sighting, record.bytes);
  }

  /** A record was refused because its EOL has passed, before its signature was checked. */
  noteExpired(name: IpnsName, recordBytes: Uint8Array, stored: IpnsRecord, source: RecordSource): void {
    const odd = (): IpnsRecord => decodeRecord(recordBytes);
    this.#noteIfGenuine({ kind: "expired", name, odd, storedSequence: stored.sequence, source }, recordBytes);
  }

  /** A record was refused because the key of its name did not sign it. */
  noteForged(name: IpnsName, recordBytes: Uint8Array, stored: IpnsRecord, source: RecordSource): void {
    const odd = (): IpnsRecord => decodeRecord(recordBytes);
    this.#note({ kind: "forged", name, odd, storedSequence: stored.sequence, source });
  }

  /** What is known about a name, with what is not written yet. Sorted by kind. */
  async of(name: IpnsName): Promise<readonly Anomaly[]> {
    while (this.#writing !== undefined) await this.#writing;
    const byKind = new Map(this.#parts.store.of(name).map((anomaly) => [anomaly.kind, anomaly]));
    for (const note of this.#pending.values()) {
      if (note.name.text !== name.text) continue;
      const { name: _name, ...later } = note;
      const earlier = byKind.get(note.kind);
      byKind.set(note.kind, earlier === undefined ? later : mergeAnomalies(earlier, later));
    }
    return [...byKind.values()].toSorted((a, b) => (a.kind < b.kind ? -1 : 1));
  }

  /** Writes what was seen. What is seen later is not noted any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelWrite?.();
    while (this.#writing !== undefined) await this.#writing;
    await this.#write();
  }

  #noteIfGenuine(sighting: Sighting, recordBytes: Uint8Array): void {
    const { name, storedSequence, source } = sighting;
    if (this.#wasSeenFromPeers(sighting)) return;
    const settle = (isGenuine: boolean | undefined): void => {
      if (isGenuine === undefined) this.#parts.metrics.anomalies.unchecked++;
      else if (isGenuine) this.#noteGenuine(sighting);
      else this.#note({ kind: "forged", name, odd: sighting.odd, storedSequence, source });
    };
    const verdict = this.#suspects.isGenuine(name, recordBytes, this.#parts.clock.nowMs());
    // The check itself never rejects.
    if (verdict instanceof Promise) void verdict.then(settle);
    else settle(verdict);
  }

  #noteGenuine(sighting: Sighting): void {
    if (this.#wasSeenFromPeers(sighting)) return;
    if (sighting.source.origin !== "client")
      this.#seenFromPeersMs.set(keyOf(sighting), this.#parts.clock.nowMs());
    this.#note(sighting);
  }

  #wasSeenFromPeers(sighting: Sighting): boolean {
    if (sighting.source.origin === "client") return false;
    const seenAtMs = this.#seenFromPeersMs.get(keyOf(sighting));
    return seenAtMs !== undefined && this.#parts.clock.nowMs() - seenAtMs < this.#options.peerIntervalMs;
  }

  #note(sighting: Sighting): void {
    if (this.#isClosed) return;
    const { metrics, clock } = this.#parts;
    metrics.anomalies[COUNTERS[sighting.kind]]++;
    const key = keyOf(sighting);
    const nowMs = clock.nowMs();
    const { origin } = sighting.source;
    const known = this.#pending.get(key);
    if (known !== undefined) {
      const counts = { ...known.counts, [origin]: known.counts[origin] + 1 };
      this.#pending.set(key, { ...known, lastSeenMs: nowMs, counts });
      return;
    }
    if (this.#pending.size >= this.#options.pendingMax) {
      metrics.anomalies.dropped++;
      return;
    }
    this.#pending.set(key, noteOf(sighting, nowMs));
    this.#scheduleWrite();
  }

  #scheduleWrite(): void {
    if (this.#cancelWrite !== undefined || this.#writing !== undefined || this.#isClosed) return;
    this.#cancelWrite = this.#parts.timers.after(this.#options.writeDelayMs, () => {
      this.#cancelWrite = undefined;
      this.#writing = this.#write().finally(() => {
        this.#writing = undefined;
        if (this.#pending.size > 0) this.#scheduleWrite();
      });
    });
  }

  async #write(): Promise<void> {
    const notes = [...this.#pending.values()];
    this.#pending = new Map();
    if (notes.length === 0) return;
    try {
      await this.#parts.store.add(notes);
    } catch (err) {
      // They are not worth a place in memory while the disk refuses.
      this.#parts.metrics.anomalies.dropped += notes.length;
      this.#parts.logger.debug({ err, dropped: notes.length }, "anomalies could not be written");
    }
  }
}

function keyOf({ kind, name }: Sighting): string {
  return `${kind} ${name.text}`;
}

function noteOf({ kind, name, odd, storedSequence, source }: Sighting, nowMs: number): AnomalyNote {
  const { sequence, value } = odd();
  const counts = { client: 0, network: 0, "peer-push": 0, [source.origin]: 1 };
  const valueSha256 = createHash("sha256").update(value).digest("hex");
  const sample = { sequence, storedSequence, valueSha256, via: source.via ?? source.origin };
  return { name, kind, firstSeenMs: nowMs, lastSeenMs: nowMs, counts, sample };
}
