import { Readable } from "node:stream";
import { formatIpnsName, HoldfastError, parseCid, parseIpnsName } from "@holdfast/core";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { ContentRouting, RoutedPeer } from "../../content/content-routing.ts";
import type { Clock } from "../../telemetry/clock.ts";
import { sendJsonLine } from "../json-line.ts";
import { closeSignal, isFromHoldfast, queryText } from "../request-facts.ts";
import { filterPeer, type PeerFilters, readPeerFilters } from "./peer-filters.ts";

const JSON_TYPE = "application/json";
const NDJSON_TYPE = "application/x-ndjson";

/** What boxo gives; the specification allows 100. Each one more costs time that clients do not have. */
const JSON_PEERS_MAX = 20;
const NDJSON_PEERS_MAX = 1_000;
const JSON_MS_MAX = 10_000;
const NDJSON_MS_MAX = 30_000;

const FOUND_CACHE_CONTROL = "public, max-age=300, stale-while-revalidate=172800, stale-if-error=172800";
/** No stale window, as for names (P5). */
const EMPTY_CACHE_CONTROL = "public, max-age=15";

export interface DelegatedRoutingParts {
  /** Absent when the node has no network: nobody is known then. */
  readonly contentRouting: ContentRouting | undefined;
  /** Asked for another Holdfast, which asks its routers itself: without ours, or the question could go round. Default: the same. */
  readonly nearRouting?: ContentRouting | undefined;
  readonly clock: Clock;
}

/**
 * `GET /routing/v1/providers/{cid}` and `/routing/v1/peers/{peer-id}`, as JSON or, if `Accept` names it, as NDJSON.
 *
 * @see https://specs.ipfs.tech/routing/http-routing-v1/#content-routing-api
 */
export function delegatedRoutingRoutes(parts: DelegatedRoutingParts) {
  return (app: FastifyInstance): void => {
    app.get("/routing/v1/providers/:cid", async (request, reply) => {
      const cid = parseCid((request.params as { readonly cid: string }).cid);
      return answer(parts, request, reply, "Providers", (routing, options) =>
        routing.findProviders(cid, options),
      );
    });
    app.get("/routing/v1/peers/:peerId", async (request, reply) => {
      const peerId = peerIdOf((request.params as { readonly peerId: string }).peerId);
      return answer(parts, request, reply, "Peers", async function* find(routing, { signal }) {
        const peer = await routing.findPeer(peerId, { signal });
        if (peer !== undefined) yield peer;
      });
    });
  };
}

type Find = (
  routing: ContentRouting,
  options: { readonly limit: number; readonly signal: AbortSignal },
) => AsyncIterable<RoutedPeer>;

async function answer(
  parts: DelegatedRoutingParts,
  request: FastifyRequest,
  reply: FastifyReply,
  member: "Providers" | "Peers",
  find: Find,
): Promise<FastifyReply> {
  const type = typeFor(request.headers.accept);
  const filters = readPeerFilters(queryText(request, "filter-addrs"), queryText(request, "filter-protocols"));
  const isStream = type === NDJSON_TYPE;
  const limit = isStream ? NDJSON_PEERS_MAX : JSON_PEERS_MAX;
  const timeout = AbortSignal.timeout(isStream ? NDJSON_MS_MAX : JSON_MS_MAX);
  const signal = AbortSignal.any([closeSignal(reply.raw), timeout]);
  // Filters leave some out: more have to be looked at to find as many.
  const isFiltered = filters.addrs.length > 0 || filters.protocols.length > 0;
  const options = { limit: isFiltered ? NDJSON_PEERS_MAX : limit, signal };
  const contentRouting =
    "nearRouting" in parts && isFromHoldfast(request) ? parts.nearRouting : parts.contentRouting;
  const found = contentRouting === undefined ? none() : find(contentRouting, options);
  const peers = formatted(found, filters, limit);
  const first = await peers.next();
  reply.headers({
    "Content-Type": type,
    Vary: "Accept",
    "Cache-Control": first.done === true ? EMPTY_CACHE_CONTROL : FOUND_CACHE_CONTROL,
    "Last-Modified": new Date(parts.clock.nowMs()).toUTCString(),
  });
  if (isStream) return reply.send(Readable.from(lines(first, peers), { objectMode: false }));
  const list: unknown[] = [];
  for (let next = first; next.done !== true; next = await peers.next()) list.push(next.value);
  return sendJsonLine(reply, { [member]: list });
}

async function* lines(first: IteratorResult<object>, rest: AsyncIterator<object>): AsyncGenerator<string> {
  for (let next = first; next.done !== true; next = await rest.next())
    yield `${JSON.stringify(next.value)}\n`;
}

async function* formatted(
  peers: AsyncIterable<RoutedPeer>,
  filters: PeerFilters,
  limit: number,
): AsyncGenerator<object> {
  let count = 0;
  for await (const candidate of peers) {
    const peer = filterPeer(candidate, filters);
    if (peer === undefined) continue;
    yield { Schema: "peer", ID: peer.id, Addrs: peer.addrs, Protocols: peer.protocols };
    if (++count >= limit) return;
  }
}

async function* none(): AsyncGenerator<RoutedPeer> {
  // No network, no peers.
}

/** @throws HoldfastError `NOT_ACCEPTABLE`. */
function typeFor(accept: string | undefined): string {
  if (accept?.includes(NDJSON_TYPE) === true) return NDJSON_TYPE;
  const isJson =
    accept === undefined || [JSON_TYPE, "application/*", "*/*"].some((type) => accept.includes(type));
  if (!isJson) throw new HoldfastError("NOT_ACCEPTABLE", `only ${JSON_TYPE} and ${NDJSON_TYPE} are offered`);
  return JSON_TYPE;
}

/** A peer id is spelled and made like an IPNS name: the multihash of a public key. */
function peerIdOf(text: string): string {
  try {
    return formatIpnsName(parseIpnsName(text), "base58btc");
  } catch (err) {
    throw new HoldfastError("INVALID_ARGUMENT", "not a peer id", { cause: err });
  }
}
