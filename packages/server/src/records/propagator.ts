import type { IpnsName, ValidatedRecord } from "@holdfast/core";
import type { Timers } from "../telemetry/clock.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { RecordRouter } from "./record-router.ts";

interface Parts {
  readonly routers: readonly RecordRouter[];
  readonly timers: Timers;
  readonly random: () => number;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface PropagationOptions {
  /** How many puts may be under way at once. */
  readonly putsMax: number;
  /** How many names may wait; when one more comes, it is dropped and counted (it stays stored and is answered here). */
  readonly queueMax: number;
  readonly putTimeoutMs: number;
  /** Pauses before the second, third, … attempt. After the last one the record is given up and counted. */
  readonly retryPausesMs: readonly number[];
}

interface Job {
  readonly router: RecordRouter;
  readonly record: ValidatedRecord;
  readonly attempt: number;
}

/**
 * Puts stored records to the network behind the answer. Per router and name only the newest record is put; a retry whose
 * record was superseded meanwhile is dropped. What waits here is lost when the process ends: the record itself is durable.
 */
export class Propagator {
  readonly #parts: Parts;
  readonly #options: PropagationOptions;
  /** Waiting jobs by router and name, in the order in which they came. */
  readonly #waiting = new Map<string, Job>();
  /** Jobs that wait for their next attempt. */
  readonly #paused = new Map<string, () => void>();
  readonly #running = new Set<string>();
  readonly #closing = new AbortController();

  constructor(parts: Parts, options: PropagationOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  /** Never waits, never throws. */
  enqueue(record: ValidatedRecord): void {
    for (const router of this.#parts.routers) this.#add({ router, record, attempt: 0 });
  }

  /** How many puts wait, run or pause before another attempt. */
  get pending(): number {
    return this.#waiting.size + this.#paused.size + this.#running.size;
  }

  close(): void {
    this.#closing.abort();
    for (const cancel of this.#paused.values()) cancel();
    this.#waiting.clear();
    this.#paused.clear();
  }

  #add(job: Job): void {
    const key = keyOf(job.router, job.record.name);
    this.#paused.get(key)?.();
    this.#paused.delete(key);
    if (this.pending >= this.#options.queueMax && !this.#waiting.has(key)) {
      this.#parts.metrics.records.propagationFailed++;
      return;
    }
    this.#waiting.set(key, job);
    this.#fill();
  }

  #fill(): void {
    for (const [key, job] of this.#waiting) {
      if (this.#running.size >= this.#options.putsMax || this.#closing.signal.aborted) return;
      // Two puts of one name at once could arrive in either order.
      if (this.#running.has(key)) continue;
      this.#waiting.delete(key);
      this.#running.add(key);
      void this.#put(key, job).finally(() => {
        this.#running.delete(key);
        this.#fill();
      });
    }
  }

  async #put(key: string, job: Job): Promise<void> {
    const { record, router } = job;
    const signal = AbortSignal.any([AbortSignal.timeout(this.#options.putTimeoutMs), this.#closing.signal]);
    try {
      const { confirmedPeers } = await router.put(record.name, record.bytes, { signal });
      if (confirmedPeers > 0) {
        this.#parts.metrics.records.propagated++;
        return;
      }
    } catch (err) {
      this.#parts.logger.debug({ err, name: record.name.text, router: router.label }, "put failed");
    }
    this.#retryLater(key, job);
  }

  #retryLater(key: string, job: Job): void {
    if (this.#closing.signal.aborted || this.#waiting.has(key)) return;
    const pauseMs = this.#options.retryPausesMs[job.attempt];
    if (pauseMs === undefined) {
      this.#parts.metrics.records.propagationFailed++;
      this.#parts.logger.warn(
        { name: job.record.name.text, router: job.router.label },
        "record could not be put to the network",
      );
      return;
    }
    const cancel = this.#parts.timers.after(pauseMs * (0.5 + this.#parts.random()), () => {
      this.#paused.delete(key);
      this.#add({ ...job, attempt: job.attempt + 1 });
    });
    this.#paused.set(key, cancel);
  }
}

function keyOf(router: RecordRouter, name: IpnsName): string {
  return `${router.label} ${name.text}`;
}
