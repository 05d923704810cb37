import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { RoutedPeer } from "../../content/content-routing.ts";
import { type KuboCall, KuboRefusal } from "./kubo-call.ts";
import type { KuboRpc } from "./kubo-rpc.ts";
import { queryEventOf } from "./query-events.ts";

const QUERY_MS_MAX = 60_000;
/** A query of the public DHT tells of some hundred answers, each with some dozen peers and their addresses. */
const QUERY_BYTES_MAX = 64 * 1024 * 1024;

/** Who has content, and where peers are, as Kubo's routers say. */
export class KuboRouting {
  readonly #rpc: KuboRpc;

  constructor(rpc: KuboRpc) {
    this.#rpc = rpc;
  }

  /**
   * Yields each provider once.
   *
   * @throws HoldfastError `BACKEND_UNAVAILABLE`, also when nobody answered: then silence does not mean that there is none.
   */
  async *findProviders(
    cid: CID,
    {
      limit,
      signal,
      kind = "routing",
    }: { readonly limit: number; readonly signal: AbortSignal; readonly kind?: KuboCall["kind"] },
  ): AsyncGenerator<RoutedPeer> {
    const query = { arg: cid.toString(), "num-providers": String(limit) };
    const call = { kind, command: "routing/findprovs", query, ...BOUNDS };
    const seen = new Set<string>();
    let answers = 0;
    let failures = 0;
    for await (const object of this.#rpc.objects(call, { signal })) {
      const event = queryEventOf(object);
      if (event.kind === "answer") answers++;
      if (event.kind === "error") failures++;
      for (const peer of event.kind === "provider" ? event.peers : []) {
        if (seen.has(peer.id)) continue;
        seen.add(peer.id);
        yield peer;
        if (seen.size >= limit) return;
      }
    }
    if (seen.size === 0 && answers === 0 && failures > 0) {
      throw new HoldfastError("BACKEND_UNAVAILABLE", "nobody answered Kubo");
    }
  }

  /** @throws HoldfastError `INVALID_ARGUMENT` when the text is not a peer id, `BACKEND_UNAVAILABLE`. */
  async findPeer(
    peerId: string,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<RoutedPeer | undefined> {
    const call = { kind: "routing", command: "routing/findpeer", query: { arg: peerId }, ...BOUNDS } as const;
    let isOver = false;
    try {
      for await (const object of this.#rpc.objects(call, { signal })) {
        const event = queryEventOf(object);
        if (event.kind === "peer" && event.peers[0] !== undefined) return event.peers[0];
        isOver ||= event.kind === "error" && event.words.includes("not found");
      }
    } catch (err) {
      if (!(err instanceof KuboRefusal)) throw err;
      if (err.words.includes("not found")) return undefined;
      if (!err.words.includes("failed to parse peer ID")) throw err;
      throw new HoldfastError("INVALID_ARGUMENT", "this is not a peer id", { cause: err });
    }
    if (isOver) return undefined;
    throw new HoldfastError("BACKEND_UNAVAILABLE", "Kubo broke routing/findpeer off");
  }

  /**
   * Kubo announces what it holds and nothing else.
   *
   * @throws HoldfastError `CONTENT_NOT_FOUND` when Kubo does not hold the block, `BACKEND_UNAVAILABLE`.
   */
  async provide(cid: CID, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    const query = { arg: cid.toString() };
    try {
      await this.#rpc.bytes({ kind: "routing", command: "routing/provide", query, ...BOUNDS }, { signal });
    } catch (err) {
      if (!(err instanceof KuboRefusal) || !err.words.includes("not found locally")) throw err;
      throw new HoldfastError("CONTENT_NOT_FOUND", "Kubo does not hold the block", { cause: err });
    }
  }
}

const BOUNDS = { msMax: QUERY_MS_MAX, bytesMax: QUERY_BYTES_MAX } as const;
