import { HoldfastError, isHoldfastError } from "@holdfast/core";
import type { KadDHT, QueryEvent } from "@libp2p/kad-dht";
import { withDeadline } from "./deadline.ts";
import type { DhtDatastore } from "./dht-datastore.ts";

/** Bounds for callers that forget theirs. */
const GET_TIMEOUT_MS = 60_000;
const PUT_TIMEOUT_MS = 120_000;

interface Parts {
  readonly dht: KadDHT;
  readonly datastore: DhtDatastore;
  /** Waits for peers and for its turn. @throws HoldfastError `BACKEND_UNAVAILABLE` */
  readonly enterQuery: (signal: AbortSignal) => Promise<Disposable>;
  /** Called before one of our own records passes through the datastore. */
  readonly onOwnPut: (routingKey: Uint8Array, record: Uint8Array) => void;
}

/** IPNS records on the DHT. */
export class DhtRecords {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Emits every candidate once, as it arrives. kad-dht has validated them; whoever takes them does so again.
   *
   * @throws HoldfastError `BACKEND_UNAVAILABLE` when there was no candidate and no peer answered: then silence does not
   *   mean that nobody knows.
   */
  async get(
    routingKey: Uint8Array,
    options: { readonly signal: AbortSignal; readonly emit: (record: Uint8Array) => void },
  ): Promise<void> {
    const seen = new Set<string>();
    const emitOnce = (record: Uint8Array): void => {
      const text = Buffer.from(record).toString("latin1");
      if (seen.has(text)) return;
      seen.add(text);
      options.emit(record);
    };
    const held = await this.#parts.datastore.recordOf(routingKey);
    if (held !== undefined) emitOnce(held);
    await withDeadline(options.signal, GET_TIMEOUT_MS, async (signal) => {
      using _turn = await this.#parts.enterQuery(signal);
      let answers = 0;
      let failures = 0;
      try {
        // `get` keeps the VALUE events back until the end and then gives the best; the responses carry each candidate.
        for await (const event of this.#parts.dht.get(routingKey, { signal })) {
          if (isAnswer(event)) answers++;
          else if (event.name === "QUERY_ERROR") failures++;
          if (event.name === "PEER_RESPONSE" && event.record !== undefined) emitOnce(event.record.value);
          if (event.name === "VALUE") emitOnce(event.value);
        }
      } catch (err) {
        // After the candidates it sends the best to peers with an older one, and throws when one of them refuses.
        if (seen.size === 0 && !signal.aborted) throw err;
      }
      if (seen.size === 0 && answers === 0 && failures > 0 && !signal.aborted) {
        throw new HoldfastError("BACKEND_UNAVAILABLE", "no peer of the network answered");
      }
    });
  }

  /**
   * Puts a record on the DHT.
   *
   * @returns how many peers confirmed it, also when the signal ends the put early; 0 when this node holds a better one.
   * @throws HoldfastError `UPSTREAM_TIMEOUT` when the time was up before any peer confirmed it, `BACKEND_UNAVAILABLE`.
   */
  async put(
    routingKey: Uint8Array,
    record: Uint8Array,
    options: { readonly signal: AbortSignal },
  ): Promise<{ confirmedPeers: number }> {
    const confirmed = new Set<string>();
    return withDeadline(options.signal, PUT_TIMEOUT_MS, async (signal) => {
      try {
        using _turn = await this.#parts.enterQuery(signal);
        this.#parts.onOwnPut(routingKey, record);
        for await (const event of this.#parts.dht.put(routingKey, record, { signal })) {
          if (isConfirmation(event, record)) confirmed.add(event.from.toString());
        }
      } catch (err) {
        if (isHoldfastError(err) && err.code === "RECORD_SUPERSEDED") return { confirmedPeers: 0 };
        if (!signal.aborted) throw err;
      }
      if (confirmed.size === 0 && signal.aborted) {
        throw new HoldfastError("UPSTREAM_TIMEOUT", "no peer confirmed the record in time");
      }
      return { confirmedPeers: confirmed.size };
    });
  }
}

/** kad-dht reports what it could not use of an answer (an invalid record) as an error of the query, too. */
function isAnswer(event: QueryEvent): boolean {
  return (
    event.name === "PEER_RESPONSE" || (event.name === "QUERY_ERROR" && event.error.name === "QueryError")
  );
}

/** A put that a peer refuses ends without an error of its own: only the echoed record says that it was stored. */
function isConfirmation(
  event: QueryEvent,
  record: Uint8Array,
): event is Extract<QueryEvent, { name: "PEER_RESPONSE" }> {
  return (
    event.name === "PEER_RESPONSE" &&
    event.messageName === "PUT_VALUE" &&
    event.record !== undefined &&
    Buffer.from(event.record.value).equals(record)
  );
}
