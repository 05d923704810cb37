import type { IpnsName } from "@holdfast/core";
import {
  type Anomaly,
  type AnomalyNote,
  type AnomalyStore,
  interestOf,
  mergeAnomalies,
} from "../../records/anomalies/anomaly-store.ts";

/** Anomalies that live as long as the process. For tests and for nodes that keep nothing. */
export class MemoryAnomalyStore implements AnomalyStore {
  readonly #anomaliesMax: number;
  readonly #notes = new Map<string, AnomalyNote>();

  constructor({ anomaliesMax = 10_000 }: { readonly anomaliesMax?: number } = {}) {
    this.#anomaliesMax = anomaliesMax;
  }

  // Settles later, as any store does: callers must not rely on the same turn.
  async add(notes: readonly AnomalyNote[]): Promise<void> {
    for (const note of notes) {
      const key = `${note.kind} ${note.name.text}`;
      const known = this.#notes.get(key);
      const anomaly = known === undefined ? note : mergeAnomalies(known, note);
      this.#notes.set(key, { ...anomaly, name: note.name });
    }
    const excess = this.#notes.size - this.#anomaliesMax;
    if (excess <= 0) return;
    const leastFirst = [...this.#notes].toSorted(
      ([, a], [, b]) => interestOf(a) - interestOf(b) || a.lastSeenMs - b.lastSeenMs,
    );
    for (const [key] of leastFirst.slice(0, excess)) this.#notes.delete(key);
  }

  of(name: IpnsName): readonly Anomaly[] {
    return [...this.#notes.values()]
      .filter((note) => note.name.text === name.text)
      .map(({ name: _name, ...anomaly }) => anomaly)
      .toSorted((a, b) => (a.kind < b.kind ? -1 : 1));
  }
}
