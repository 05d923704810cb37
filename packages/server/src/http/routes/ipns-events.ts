import { HoldfastError, parseIpnsName } from "@holdfast/core";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { HttpListener } from "../http-listener.ts";
import type { Limits } from "../limits.ts";
import type { PushOptions } from "../push/push-options.ts";
import type { PushSlots } from "../push/push-slots.ts";
import { queryFlag, queryText } from "../request-facts.ts";
import { Turns } from "../push/turns.ts";
import { EVENT_STREAM_HEADERS, EventStream, type EventStreamParts } from "./event-stream.ts";
import type { SpelledName } from "./ws-messages.ts";

export const EVENTS_PATH = "/ipns/events";

export interface IpnsEventsParts extends EventStreamParts {
  readonly limits: Limits;
  readonly slots: PushSlots;
}

/** Longer ones are none of ours. */
const ID_LENGTH_MAX = 64;

/**
 * `GET`, `HEAD /ipns/events?name=…[&name=…][&snapshot=true]`: what `/ws/ipns` pushes, as server-sent events. `Last-Event-ID`, or
 * `lastEventId` in the query for clients that cannot set it, goes on where a stream was cut, on any node and after a restart.
 */
export class IpnsEvents {
  readonly #listener: HttpListener;
  readonly #parts: IpnsEventsParts;
  readonly #options: PushOptions;
  readonly #streams = new Set<EventStream>();
  readonly #heart: NodeJS.Timeout;
  readonly #beats = new Turns();
  #isClosed = false;

  constructor(listener: HttpListener, parts: IpnsEventsParts, options: PushOptions) {
    this.#listener = listener;
    this.#parts = parts;
    this.#options = options;
    this.#heart = setInterval(() => {
      this.#beats.addEach(this.#streams, (stream) => stream.beat());
    }, options.heartbeatMs).unref();
  }

  readonly route = (app: FastifyInstance): void => {
    app.route({
      method: ["GET", "HEAD"],
      url: EVENTS_PATH,
      handler: async (request, reply) => this.#answer(request, reply),
    });
  };

  /** Ends every stream; the clients come again, to whoever answers then. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#heart);
    const ended = [...this.#streams].map(async (stream) => stream.goodbye());
    await Promise.all(ended);
  }

  #answer(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const names = namesIn(request, this.#options.namesPerStreamMax);
    const snapshot = queryFlag(request, "snapshot", false);
    if (request.method === "HEAD") return reply.headers(EVENT_STREAM_HEADERS).send();
    if (this.#isClosed) throw new HoldfastError("SHUTTING_DOWN", "shutting down");
    const { limits, slots, metrics } = this.#parts;
    const { key } = limits.clientOf(request.raw);
    const refusal = slots.refusalOf(key);
    if (refusal !== undefined) {
      metrics.push.refused++;
      throw refusal;
    }
    reply.hijack();
    const response = reply.raw;
    this.#listener.release(response);
    const stream = new EventStream(response, names, this.#parts, this.#options);
    slots.take(key);
    metrics.push.streams++;
    this.#streams.add(stream);
    response.once("close", () => {
      stream.forget();
      this.#streams.delete(stream);
      slots.giveBack(key);
      metrics.push.streams--;
    });
    stream.open({ lastEventId: lastEventIdIn(request), snapshot });
    return reply;
  }
}

/** @throws HoldfastError `INVALID_ARGUMENT` when there are none or too many, `INVALID_NAME`. */
function namesIn(request: FastifyRequest, namesMax: number): SpelledName[] {
  const { name: value } = request.query as { readonly name?: string | readonly string[] };
  const spellings = new Set(typeof value === "string" ? [value] : value);
  if (spellings.size === 0) throw new HoldfastError("INVALID_ARGUMENT", 'parameter "name" is required');
  if (spellings.size > namesMax)
    throw new HoldfastError("INVALID_ARGUMENT", `at most ${namesMax} names for each stream`);
  return [...spellings].map((spelling) => ({ name: parseIpnsName(spelling), spelling }));
}

function lastEventIdIn(request: FastifyRequest): string | undefined {
  const header = request.headers["last-event-id"];
  const id = (typeof header === "string" ? header : undefined) ?? queryText(request, "lastEventId");
  return id === "" ? undefined : id?.slice(0, ID_LENGTH_MAX);
}
