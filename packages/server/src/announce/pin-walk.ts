import { canBeAnnounced, subjectOfPage, SUBJECTS_PER_EVENT_MAX } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { Clock } from "../telemetry/clock.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { AnnouncementOutbox, Walk } from "./announcement-outbox.ts";

/** All that is pinned here, in an order that does not change. */
export interface AllPins {
  /** @returns `next` is the cursor of the next page; undefined behind the last one. */
  page(
    after: number | undefined,
    limit: number,
  ): { readonly roots: readonly CID[]; readonly next: number | undefined };
}

export interface PinWalkParts {
  readonly outbox: Pick<AnnouncementOutbox, "walk" | "saveWalk" | "unheardPages" | "queue" | "names">;
  readonly pins: AllPins;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, "announcements">;
}

/** Pages that no relay has while the walk goes on: relays set the pace, not the disk, and not the relay that is away. */
const UNHEARD_MAX = 64;
const NAMES_PER_STEP = 100;

/**
 * Announces everything again: all pins, a page for each event, from the first to the last (R15), then all names that were announced
 * before. Its cursor is durable, so it goes on after a restart.
 */
export class PinWalk {
  readonly #parts: PinWalkParts;
  /** Behind which name it is, once all pins are queued. A restart begins with the names again. */
  #atNames: { readonly after: string; readonly cids: number } | undefined;

  constructor(parts: PinWalkParts) {
    this.#parts = parts;
  }

  /** How far it is; undefined when none is under way. */
  get progress(): Walk | undefined {
    return this.#parts.outbox.walk();
  }

  /** False when one is under way already. Settles when the beginning is durable. */
  async begin(): Promise<boolean> {
    const { outbox, clock } = this.#parts;
    if (outbox.walk() !== undefined) return false;
    await outbox.saveWalk({ startedAtMs: clock.nowMs(), after: undefined, pages: 0, cids: 0 });
    return true;
  }

  /** Queues one page, unless enough of them wait already, or some names. False when there is nothing to do now. */
  async step(): Promise<boolean> {
    const { outbox, pins } = this.#parts;
    const walk = outbox.walk();
    if (walk === undefined) return false;
    if (this.#atNames !== undefined) {
      await this.#queueNames(this.#atNames, walk);
      return true;
    }
    if (outbox.unheardPages(2 * UNHEARD_MAX) >= UNHEARD_MAX) return false;
    const { roots, next } = pins.page(walk.after, SUBJECTS_PER_EVENT_MAX);
    const items = roots.filter(canBeAnnounced).map((root) => root.toString());
    if (items.length > 0) await this.#queuePage(walk.pages, items);
    if (next === undefined) this.#atNames = { after: "", cids: walk.cids + items.length };
    else {
      const pages = walk.pages + (items.length > 0 ? 1 : 0);
      await outbox.saveWalk({ ...walk, after: next, pages, cids: walk.cids + items.length });
    }
    return true;
  }

  async #queuePage(index: number, items: readonly string[]): Promise<void> {
    const { outbox, clock, metrics } = this.#parts;
    await outbox.queue([{ kind: "page", d: subjectOfPage(index), items }], clock.nowMs());
    metrics.announcements.reannounced += items.length;
  }

  /** Some at a time: between them others are sent, and a node that stops does not wait for all. Ends the walk behind the last one. */
  async #queueNames(
    { after, cids }: { readonly after: string; readonly cids: number },
    { startedAtMs }: Walk,
  ): Promise<void> {
    const { outbox, clock, logger } = this.#parts;
    const names = outbox.names(after, NAMES_PER_STEP);
    const last = names.at(-1);
    if (last !== undefined) {
      await outbox.queue(names, clock.nowMs());
      this.#atNames = { after: last.d, cids };
      return;
    }
    await outbox.saveWalk(undefined);
    this.#atNames = undefined;
    logger.info({ cids, tookMs: clock.nowMs() - startedAtMs }, "all pins queued to be announced");
  }
}
