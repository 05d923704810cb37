import { setImmediate } from "node:timers/promises";
import { type IpnsName, isHoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { BadLines } from "./bad-lines.ts";
import { CidFingerprints } from "../audit/cid-fingerprints.ts";
import type { Follows } from "../follow/follows.ts";
import type { ListLines, ListReader, Retire } from "./list-file.ts";
import { parsePinListLine, type PinListLine } from "./pin-list-line.ts";
import type { Pins } from "../pins.ts";

export interface ListedPinsPage {
  readonly roots: readonly CID[];
  /** For `after` of the next page; undefined when this is the last one. A page may have fewer than asked for, or none. */
  readonly next: number | undefined;
}

/** The roots that the pin list claims. */
export interface ListedPins {
  page(options: { readonly after?: number | undefined; readonly limit: number }): ListedPinsPage;
}

export interface PinListParts {
  readonly pins: Pick<Pins, "add" | "release" | "claim">;
  readonly listed: ListedPins;
  readonly follows: Pick<Follows, "setListed">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, "pinlist">;
}

export interface PinListOptions {
  /** Names on the list that are followed; further ones are reported. */
  readonly namesMax: number;
  /** After a refusal of the store or the queue, the same lines are tried again. */
  readonly retryMs: number;
}

/** A page of the table is read in a millisecond. */
const PAGE_ROOTS = 64;
/** They share a commit; each makes the queues look at what is next, which takes some 0.5 ms. */
const RELEASES_AT_ONCE = 8;
const CLAIM = { source: "pin-list", holder: "" } as const;

/** The operator's list of what is to stay: each root on it is pinned, each name on it is followed. */
export class PinList implements ListReader {
  readonly #parts: PinListParts;
  readonly #options: PinListOptions;

  constructor(parts: PinListParts, options: PinListOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  async read(lines: ListLines, { signal }: { readonly signal: AbortSignal }): Promise<Retire | undefined> {
    const { follows, logger, metrics } = this.#parts;
    const roots = new CidFingerprints();
    const names = new Map<string, IpnsName>();
    const bad = new BadLines();
    let namesLeftOut = 0;
    let entries = 0;
    for await (const batch of lines) {
      signal.throwIfAborted();
      const wishes = batch.map((line) => bad.parse(() => parsePinListLine(line))).filter(isWish);
      entries += wishes.length;
      for (const wish of wishes) {
        if (wish.kind === "root") roots.add(wish.root);
        else if (names.size < this.#options.namesMax) names.set(wish.name.text, wish.name);
        else namesLeftOut += 1;
      }
      await this.#claim(
        wishes.flatMap((wish) => (wish.kind === "root" ? wish.root : [])),
        signal,
      );
      await setImmediate();
    }
    metrics.pinlist.reads++;
    metrics.pinlist.badLines += bad.count;
    const isCertain = lines.isWhole && bad.count === 0 && entries > 0;
    const wishes = [...names.values()].map((name) => ({ name, keep: 1 }));
    namesLeftOut += await follows.setListed("pin-list", wishes, { isComplete: false });
    bad.report(logger, "lines of the pin list that are no CID, path or name");
    if (namesLeftOut > 0)
      logger.warn({ namesLeftOut }, "too many names on the pin list: the last ones are left out");
    logger.info({ entries, isCertain }, "pin list read");
    if (isCertain) return (options) => this.#retire(roots, wishes, options.signal);
    logger.warn(
      { entries, badLines: bad.count, isWhole: lines.isWhole },
      "the pin list is empty, has bad lines or no end of line at its end: nothing is released",
    );
    return undefined;
  }

  /** Waits until the store takes them: reading a million lines again because one batch was refused would not help it. */
  async #claim(roots: readonly CID[], signal: AbortSignal): Promise<void> {
    const { pins, clock, logger, metrics } = this.#parts;
    const unclaimed = roots.filter((root) => pins.claim(root, CLAIM) === undefined);
    if (unclaimed.length === 0) return;
    for (;;) {
      const claim = { ...CLAIM, name: undefined, createdAtMs: clock.nowMs() };
      try {
        await pins.add(unclaimed.map((root) => ({ root, recursive: true, claim, isStored: false })));
        metrics.pinlist.added += unclaimed.length;
        return;
      } catch (err) {
        if (!isHoldfastError(err) || err.code === "SHUTTING_DOWN") throw err;
        logger.warn({ err }, "the pin list waits: its pins are not taken now");
      }
      await this.#pause(signal);
    }
  }

  async #retire(
    roots: CidFingerprints,
    names: Parameters<Follows["setListed"]>[1],
    signal: AbortSignal,
  ): Promise<void> {
    const { pins, listed, follows, logger, metrics } = this.#parts;
    let released = 0;
    let after: number | undefined;
    do {
      signal.throwIfAborted();
      const page = listed.page({ after, limit: PAGE_ROOTS });
      const gone = page.roots.filter((root) => !roots.has(root));
      for (let at = 0; at < gone.length; at += RELEASES_AT_ONCE) {
        await Promise.all(gone.slice(at, at + RELEASES_AT_ONCE).map((root) => pins.release(root, CLAIM)));
      }
      released += gone.length;
      after = page.next;
      await setImmediate();
    } while (after !== undefined);
    metrics.pinlist.released += released;
    if (released > 0) logger.info({ released }, "pins that are not on the pin list any more were released");
    await follows.setListed("pin-list", names, { isComplete: true });
  }

  #pause(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = (): void => {
      reject(signal.reason as Error);
    };
    const cancel = this.#parts.timers.after(this.#options.retryMs, resolve);
    signal.addEventListener("abort", onAbort, { once: true });
    return promise.finally(() => {
      cancel();
      signal.removeEventListener("abort", onAbort);
    });
  }
}

function isWish(line: PinListLine | undefined): line is Exclude<PinListLine, { readonly kind: "blank" }> {
  return line !== undefined && line.kind !== "blank";
}
