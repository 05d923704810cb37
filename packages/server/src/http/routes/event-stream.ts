import type { ServerResponse } from "node:http";
import type { Records } from "../../records/records.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { CatchUp } from "../push/catch-up.ts";
import type { Push, Subscriber } from "../push/push.ts";
import type { PushOptions } from "../push/push-options.ts";
import { PushUpdate } from "../push/push-update.ts";
import type { Change, RecentChanges } from "../push/recent-changes.ts";
import type { SpelledName } from "./ws-messages.ts";

/** When the client comes again after a break, in ms. */
const RETRY_MS = 2_000;

/** Changes that were missed are sent at once when they are few; otherwise what is held now is sent, as the client reads. */
const REPLAY_BYTES_MAX = 128 * 1024;

/** Heartbeats during which a client has taken nothing of what waits for it. */
const STALLED_BEATS_MAX = 2;

/** How long a client may take to read the end when the node stops. */
const CLOSE_MS_MAX = 500;

const HEARTBEAT = Buffer.from(":\n\n");

export const EVENT_STREAM_HEADERS = {
  "Content-Type": "text/event-stream",
  "Cache-Control": "no-store",
  "X-Content-Type-Options": "nosniff",
  // nginx would hold events back until its buffer is full.
  "X-Accel-Buffering": "no",
};

export interface EventStreamParts {
  readonly push: Push;
  readonly changes: RecentChanges;
  readonly records: Pick<Records, "peek">;
  readonly metrics: Metrics;
}

/**
 * One client of `/ipns/events`. The id that it has last read never promises more than it has got: what is sent before it has
 * caught up carries none.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export class EventStream implements Subscriber {
  readonly #response: ServerResponse;
  readonly #parts: EventStreamParts;
  readonly #bufferedBytesMax: number;
  readonly #names: readonly SpelledName[];
  #hasCaughtUp = false;
  #stalledBeats = 0;
  #takenAtLastBeat = 0;

  constructor(
    response: ServerResponse,
    names: readonly SpelledName[],
    parts: EventStreamParts,
    { bufferedBytesMax }: Pick<PushOptions, "bufferedBytesMax">,
  ) {
    this.#response = response;
    this.#names = names;
    this.#parts = parts;
    this.#bufferedBytesMax = bufferedBytesMax;
  }

  /** Begins the answer. Whoever knows its last event id is told what it missed, others what is held if they asked for it. */
  open({
    lastEventId,
    snapshot,
  }: {
    readonly lastEventId: string | undefined;
    readonly snapshot: boolean;
  }): void {
    const { push, changes } = this.#parts;
    const { lastId } = changes;
    this.#response.writeHead(200, EVENT_STREAM_HEADERS);
    this.#write(Buffer.from(`retry: ${RETRY_MS}\n\n`));
    for (const { name, spelling } of this.#names) push.subscribe(this, name, spelling);
    if (lastEventId === undefined) {
      if (snapshot) this.#tellHeld(this.#names, 0, lastId);
      else this.#goOnFrom(lastId);
      return;
    }
    const missed = changes.since(lastEventId);
    if (missed.kind === "held") this.#tellHeld(this.#names, missed.sinceMs, lastId);
    else this.#replay(missed.changes, lastId);
  }

  send(update: PushUpdate): void {
    this.#write(this.#hasCaughtUp ? update.eventWithId : update.event);
  }

  /** Keeps proxies from closing a silent connection, and gives up a client that does not read. */
  beat(): void {
    const waiting = this.#response.writableLength;
    const taken = (this.#response.socket?.bytesWritten ?? 0) - waiting;
    this.#stalledBeats = waiting > 0 && taken === this.#takenAtLastBeat ? this.#stalledBeats + 1 : 0;
    this.#takenAtLastBeat = taken;
    if (this.#stalledBeats >= STALLED_BEATS_MAX) {
      this.#parts.metrics.push.silentClientsDropped++;
      this.#response.destroy();
      return;
    }
    this.#write(HEARTBEAT);
  }

  async goodbye(): Promise<void> {
    if (this.#response.closed) return;
    const closed = new Promise<void>((resolve) => {
      this.#response.once("close", () => resolve());
    });
    this.#response.end();
    const timer = setTimeout(() => this.#response.destroy(), CLOSE_MS_MAX);
    await closed;
    clearTimeout(timer);
  }

  forget(): void {
    for (const { name, spelling } of this.#names) this.#parts.push.unsubscribe(this, name.text, spelling);
  }

  #replay(missed: readonly Change[], lastId: string): void {
    const wanted = Map.groupBy(this.#names, ({ name }) => name.text);
    const events: Buffer[] = [];
    const missedNames = new Set<SpelledName>();
    let bytes = 0;
    for (const change of missed) {
      for (const each of wanted.get(change.name.text) ?? []) {
        missedNames.add(each);
        if (bytes > REPLAY_BYTES_MAX) continue;
        const { eventWithId } = new PushUpdate(each.spelling, change.stored, change);
        events.push(eventWithId);
        bytes += eventWithId.length;
      }
    }
    if (bytes > REPLAY_BYTES_MAX) return this.#tellHeld([...missedNames], 0, lastId);
    for (const event of events) this.#write(event);
    this.#goOnFrom(lastId);
  }

  #tellHeld(names: readonly SpelledName[], sinceMs: number, lastId: string): void {
    const isNews = ({ receivedAtMs }: { readonly receivedAtMs: number }): boolean => receivedAtMs >= sinceMs;
    new CatchUp(this.#parts, this.#response, this).add(
      names.map((each) => ({ ...each, isNews })),
      () => this.#goOnFrom(lastId),
    );
  }

  /** An id alone is no event: the client only notes it. */
  #goOnFrom(lastId: string): void {
    this.#hasCaughtUp = true;
    this.#write(Buffer.from(`id: ${lastId}\n\n`));
  }

  #write(bytes: Buffer): void {
    const response = this.#response;
    if (response.destroyed || response.writableEnded) return;
    if (response.writableLength + bytes.length > this.#bufferedBytesMax) {
      this.#parts.metrics.push.slowClientsDropped++;
      response.destroy();
      return;
    }
    response.write(bytes);
  }
}
