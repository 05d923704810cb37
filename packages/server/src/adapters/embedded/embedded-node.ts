import { HoldfastError, type IpnsName, ipnsNameOfRoutingKey } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { BlockSource } from "../../content/block-source.ts";
import type { ContentRouting, RoutedPeer } from "../../content/content-routing.ts";
import type { RecordRouter } from "../../records/lookup/record-router.ts";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { itemStream } from "./item-stream.ts";
import { NodeSupervisor, type NodeState } from "./node-supervisor.ts";
import { ownCopy } from "./protocol.ts";

export interface EmbeddedNodeOptions {
  /**
   * `public`: client of the public DHT. `lan`: server of a DHT of its own (`/ipfs/lan/kad/1.0.0`, as Kubo's LAN DHT), any
   * address. `offline`: no node at all.
   */
  readonly network: "public" | "lan" | "offline";
  /** Multiaddrs to listen on. */
  readonly swarmListen: readonly string[];
  /** Multiaddrs with `/p2p/…` of peers to be connected to; dialled again when a connection is lost. */
  readonly bootstrap: readonly string[];
  /** The node's own folder: identity and datastore. Made when missing. */
  readonly dataDir: string;
  /** The record database, opened for reading: the node never stores or hands out a record that is older than ours. */
  readonly recordDatabase?: string;
  /** The durable blocks, read and served to peers. */
  readonly vaultDir?: string;
}

export interface EmbeddedNodeParts {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock & Timers;
  /** In [0, 1); spreads restarts. Default: Math.random. */
  readonly random?: () => number;
}

export interface EmbeddedNodeStatus {
  readonly state: NodeState;
  /** When it came into its state, ms since the Unix epoch. */
  readonly sinceMs: number;
  readonly peerId: string | undefined;
  /** Multiaddrs it listens on, with `/p2p/…`. */
  readonly addrs: readonly string[];
  /** How many peers are connected. */
  readonly peers: number;
  /** How many records pushed by peers were dropped because nobody took them in time. */
  readonly capturesDropped: number;
}

export type PushedRecordListener = (name: IpnsName, recordBytes: Uint8Array) => void;

/**
 * The IPFS node that runs in a thread of ours: libp2p, DHT and bitswap. Nothing here waits for it to start but the calls
 * that need it. While it is down (it is restarted with back-off) those calls fail at once with `BACKEND_UNAVAILABLE`.
 */
export class EmbeddedNode implements RecordRouter, BlockSource, ContentRouting, AsyncDisposable {
  readonly label = "embedded";
  /** Whether there is a network at all; false when offline, and then nothing need be put to it. */
  readonly canRoute: boolean;
  readonly #supervisor: NodeSupervisor | undefined;
  readonly #listeners = new Set<PushedRecordListener>();
  readonly #logger: Logger;
  readonly #createdAtMs: number;

  constructor(options: EmbeddedNodeOptions, parts: EmbeddedNodeParts) {
    const { network, swarmListen, bootstrap, dataDir, recordDatabase, vaultDir } = options;
    this.#logger = parts.logger;
    this.#createdAtMs = parts.clock.nowMs();
    this.canRoute = network !== "offline";
    if (network === "offline") return;
    this.#supervisor = new NodeSupervisor(
      { network, swarmListen, bootstrap, dataDir, recordDatabase, vaultDir },
      { random: Math.random, ...parts, onCaptured: (key, record) => this.#captured(key, record) },
    );
  }

  /** Starts the node in the background. */
  start(): void {
    this.#supervisor?.start();
  }

  status(): EmbeddedNodeStatus {
    const facts = this.#supervisor?.facts;
    return {
      state: this.#supervisor?.state ?? "running",
      sinceMs: this.#supervisor?.sinceMs ?? this.#createdAtMs,
      peerId: facts?.peerId,
      addrs: facts?.addrs ?? [],
      peers: facts?.peers ?? 0,
      capturesDropped: facts?.capturesDropped ?? 0,
    };
  }

  /** Settles when the node runs. @throws as the calls do. */
  async whenRunning(options: { readonly signal: AbortSignal }): Promise<void> {
    await this.#supervisor?.calls(options.signal);
  }

  /**
   * Calls the listener with each record that another peer puts to our DHT server: valid when it arrived, but to be
   * validated again. The same bytes come once in a while only.
   *
   * @returns a function that removes the listener.
   */
  onRecordPushed(listener: PushedRecordListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async *get(name: IpnsName, options: { readonly signal: AbortSignal }): AsyncGenerator<Uint8Array> {
    const supervisor = this.#supervisor;
    if (supervisor === undefined) return;
    const { signal } = options;
    try {
      const params = { routingKey: ownCopy(name.routingKey) };
      yield* itemStream<Uint8Array>(async (onItem, inner) => {
        const calls = await supervisor.calls(inner);
        await calls.call("recordGet", params, { signal: inner, onItem });
      }, signal);
    } catch (err) {
      if (!signal.aborted) throw err;
    }
  }

  async put(
    name: IpnsName,
    recordBytes: Uint8Array,
    options: { readonly signal: AbortSignal },
  ): Promise<{ readonly confirmedPeers: number }> {
    const { signal } = options;
    try {
      const calls = await this.#online().calls(signal);
      const params = { routingKey: ownCopy(name.routingKey), record: ownCopy(recordBytes) };
      return await calls.call("recordPut", params, { signal, onAbort: "finish" });
    } catch (err) {
      if (err instanceof HoldfastError || !signal.aborted) throw err;
      throw new HoldfastError("UPSTREAM_TIMEOUT", "no peer confirmed the record in time", { cause: err });
    }
  }

  async retrieve(
    cid: CID,
    options: { readonly root?: CID; readonly signal: AbortSignal },
  ): Promise<Uint8Array<ArrayBufferLike>> {
    if (this.#supervisor === undefined) {
      throw new HoldfastError("CONTENT_NOT_FOUND", "this node is offline and does not hold the block");
    }
    const calls = await this.#supervisor.calls(options.signal);
    const root = options.root === undefined ? undefined : ownCopy(options.root.bytes);
    return calls.call("blockGet", { cid: ownCopy(cid.bytes), root }, { signal: options.signal });
  }

  async *findProviders(
    cid: CID,
    options: { readonly limit: number; readonly signal: AbortSignal },
  ): AsyncGenerator<RoutedPeer> {
    const supervisor = this.#supervisor;
    if (supervisor === undefined) return;
    const { limit, signal } = options;
    try {
      yield* itemStream<RoutedPeer>(async (onItem, inner) => {
        const calls = await supervisor.calls(inner);
        await calls.call("findProviders", { cid: ownCopy(cid.bytes), limit }, { signal: inner, onItem });
      }, signal);
    } catch (err) {
      if (!signal.aborted) throw err;
    }
  }

  /** @throws HoldfastError `INVALID_ARGUMENT` when the text is not a peer id, `BACKEND_UNAVAILABLE`. */
  async findPeer(peerId: string, options: { readonly signal: AbortSignal }): Promise<RoutedPeer | undefined> {
    if (this.#supervisor === undefined) return undefined;
    try {
      const calls = await this.#supervisor.calls(options.signal);
      return await calls.call("findPeer", { peerId }, { signal: options.signal });
    } catch (err) {
      if (options.signal.aborted) return undefined;
      throw err;
    }
  }

  async provide(cid: CID, options: { readonly signal: AbortSignal }): Promise<void> {
    if (this.#supervisor === undefined) return;
    const calls = await this.#supervisor.calls(options.signal);
    await calls.call("provide", { cid: ownCopy(cid.bytes) }, { signal: options.signal });
  }

  /** Tells the node that these blocks are in the vault now: peers that wait for one are sent it. Best effort. */
  async announceBlocks(cids: readonly CID[], options: { readonly signal: AbortSignal }): Promise<void> {
    if (this.#supervisor === undefined) return;
    const calls = await this.#supervisor.calls(options.signal);
    await calls.call(
      "announceBlocks",
      { cids: cids.map((c) => ownCopy(c.bytes)) },
      { signal: options.signal },
    );
  }

  /** Connects to peers. @throws HoldfastError `BACKEND_UNAVAILABLE` when none of them could be reached, or there is no network. */
  async connectTo(addrs: readonly string[], options: { readonly signal: AbortSignal }): Promise<void> {
    const calls = await this.#online().calls(options.signal);
    await calls.call("connect", { addrs: [...addrs] }, { signal: options.signal });
  }

  /** @internal For tests of the restart. */
  async killThreadForTest(): Promise<void> {
    await this.#supervisor?.killThreadForTest();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listeners.clear();
    await this.#supervisor?.[Symbol.asyncDispose]();
  }

  #online(): NodeSupervisor {
    if (this.#supervisor !== undefined) return this.#supervisor;
    throw new HoldfastError("BACKEND_UNAVAILABLE", "this node is offline");
  }

  #captured(routingKey: Uint8Array, record: Uint8Array): void {
    for (const listener of this.#listeners) {
      try {
        listener(ipnsNameOfRoutingKey(routingKey), record);
      } catch (err) {
        this.#logger.error({ err }, "listener for pushed records failed");
      }
    }
  }
}
