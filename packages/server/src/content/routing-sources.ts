import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { Clock, Timers } from "../telemetry/clock.ts";
import type { ContentRouting, RoutedPeer } from "./content-routing.ts";

/** Keeps a source that does not work from being asked. What is known of it may be shared with other uses of the source. */
export interface SourceHealth {
  /** Undefined while it is to be left alone. */
  admit(): SourceAttempt | undefined;
}

interface SourceAttempt {
  ended(verdict: "found" | "nothing", latencyMs: number): void;
  failed(): void;
  undecided(): void;
}

export interface RoutingSource {
  readonly routing: ContentRouting;
  /** Absent: it is always asked. */
  readonly health?: SourceHealth;
  /** One that has not come to its end after this is not waited for; if it said nothing, it failed. Default: as the caller says. */
  readonly msMax?: number;
}

interface Parts {
  readonly sources: readonly RoutingSource[];
  readonly clock: Clock & Timers;
}

type Options = { readonly signal: AbortSignal };

/** Several routings as one: all are asked at once, each peer is given once, and one that fails or is silent harms nobody. */
export class RoutingSources implements ContentRouting {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** @throws HoldfastError of a source when each of those that were asked failed. */
  async *findProviders(
    cid: CID,
    { limit, signal }: Options & { readonly limit: number },
  ): AsyncGenerator<RoutedPeer> {
    using ending = new Ending(signal);
    const found = new Arrivals<RoutedPeer>();
    const asked = this.#askAll(async (routing, given, onFound) => {
      for await (const peer of routing.findProviders(cid, { limit, signal: given })) {
        onFound();
        found.push(peer);
      }
    }, ending.signal);
    void asked.then(() => found.end());
    const seen = new Set<string>();
    for await (const peer of found) {
      if (seen.has(peer.id)) continue;
      seen.add(peer.id);
      yield peer;
      if (seen.size >= limit) return;
    }
    const failure = await asked;
    if (failure !== undefined && seen.size === 0 && !signal.aborted) throw failure;
  }

  /** @throws HoldfastError of a source when each of those that were asked failed. */
  async findPeer(peerId: string, { signal }: Options): Promise<RoutedPeer | undefined> {
    using ending = new Ending(signal);
    const first = Promise.withResolvers<RoutedPeer | undefined>();
    const asked = this.#askAll(async (routing, given, onFound) => {
      const peer = await routing.findPeer(peerId, { signal: given });
      if (peer === undefined) return;
      onFound();
      first.resolve(peer);
    }, ending.signal);
    void asked.then(() => first.resolve(undefined));
    const peer = await first.promise;
    if (peer !== undefined || signal.aborted) return peer;
    const failure = await asked;
    if (failure !== undefined) throw failure;
    return undefined;
  }

  async provide(cid: CID, options: Options): Promise<void> {
    await Promise.all(this.#parts.sources.map(({ routing }) => routing.provide(cid, options)));
  }

  /** @returns a failure when all who were asked failed. Never rejects. */
  async #askAll(ask: Ask, signal: AbortSignal): Promise<Error | undefined> {
    const outcomes = await Promise.all(
      this.#parts.sources.map((source) => this.#askOne(ask, source, signal)),
    );
    if (outcomes.includes("answered")) return undefined;
    return outcomes.find((outcome) => outcome instanceof Error);
  }

  async #askOne(
    ask: Ask,
    { routing, health, msMax }: RoutingSource,
    signal: AbortSignal,
  ): Promise<"answered" | "skipped" | Error> {
    const attempt = health?.admit();
    if (health !== undefined && attempt === undefined) return "skipped";
    const { clock } = this.#parts;
    const startedAtMs = clock.nowMs();
    let latencyMs: number | undefined;
    using ending = new Ending(signal);
    const cancel = msMax === undefined ? undefined : clock.after(msMax, () => ending.abort());
    try {
      await ask(routing, ending.signal, () => (latencyMs ??= clock.nowMs() - startedAtMs));
      if (latencyMs !== undefined) attempt?.ended("found", latencyMs);
      else if (signal.aborted) attempt?.undecided();
      else if (ending.signal.aborted) throw new HoldfastError("UPSTREAM_TIMEOUT", "no answer in time");
      else attempt?.ended("nothing", clock.nowMs() - startedAtMs);
      return "answered";
    } catch (err) {
      if (latencyMs !== undefined) attempt?.ended("found", latencyMs);
      else if (signal.aborted) attempt?.undecided();
      else attempt?.failed();
      return err instanceof Error ? err : new Error(String(err));
    } finally {
      cancel?.();
    }
  }
}

type Ask = (routing: ContentRouting, signal: AbortSignal, onFound: () => void) => Promise<void>;

/** A signal that aborts with another one, by hand, and when its scope is left. */
class Ending implements Disposable {
  readonly #controller = new AbortController();
  readonly signal: AbortSignal;

  constructor(outer: AbortSignal) {
    this.signal = AbortSignal.any([outer, this.#controller.signal]);
  }

  abort(): void {
    this.#controller.abort();
  }

  [Symbol.dispose](): void {
    this.abort();
  }
}

/** What several producers push, in the order in which it comes. */
class Arrivals<T> implements AsyncIterable<T> {
  readonly #waiting: T[] = [];
  #isOver = false;
  #wake = Promise.withResolvers<void>();

  push(item: T): void {
    this.#waiting.push(item);
    this.#wake.resolve();
  }

  end(): void {
    this.#isOver = true;
    this.#wake.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      const item = this.#waiting.shift();
      if (item !== undefined) yield item;
      else if (this.#isOver) return;
      else {
        await this.#wake.promise;
        this.#wake = Promise.withResolvers();
      }
    }
  }
}
