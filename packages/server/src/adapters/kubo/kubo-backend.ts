import { HoldfastError, type IpnsName } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { BlockSource } from "../../content/block-source.ts";
import type { ContentRouting, RoutedPeer } from "../../content/content-routing.ts";
import type { RecordRouter } from "../../records/lookup/record-router.ts";
import type { Pinner } from "../../pins/pinner.ts";
import type { Clock, Timers } from "../../telemetry/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { HeldBlocks } from "./dag-supply.ts";
import { KuboBlocks } from "./kubo-blocks.ts";
import { KuboGateway } from "./kubo-gateway.ts";
import { connectKubo } from "./kubo-peers.ts";
import { KuboPins } from "./kubo-pins.ts";
import { KuboRecords } from "./kubo-records.ts";
import { KuboRouting } from "./kubo-routing.ts";
import { KuboRpc } from "./kubo-rpc.ts";
import { type KuboStatus, KuboWatch } from "./kubo-watch.ts";

export interface KuboBackendOptions {
  /** Of Kubo's RPC, without `/api/v0`. */
  readonly rpcUrl: string;
  /** The value of the `Authorization` header that Kubo's `API.Authorizations` asks for: a secret. */
  readonly authorization?: string | undefined;
  /** Of Kubo's gateway, e.g. `http://127.0.0.1:8080`, where blocks that it holds cost half as much. Default: not used. */
  readonly gatewayUrl?: string | undefined;
}

export interface KuboBackendParts {
  readonly logger: Logger;
  readonly clock: Clock & Timers;
  /** What we hold for good: taken from there when it is to be pinned. */
  readonly vault: HeldBlocks;
  /** In [0, 1); spreads the looks at Kubo's state. Default: Math.random. */
  readonly random?: () => number;
}

/**
 * Somebody's Kubo as our way to the network, by its RPC. While it does not answer, calls fail at once with
 * `BACKEND_UNAVAILABLE`; that it answers again is noticed within 15 s.
 *
 * @see https://docs.ipfs.tech/reference/kubo/rpc/
 */
export class KuboBackend implements RecordRouter, BlockSource, ContentRouting, AsyncDisposable {
  readonly label = "kubo";
  readonly canRoute = true;
  readonly pinner: Pinner;
  readonly #rpc: KuboRpc;
  readonly #watch: KuboWatch;
  readonly #records: KuboRecords;
  readonly #routing: KuboRouting;
  readonly #blocks: KuboBlocks;
  readonly #gateway: KuboGateway | undefined;

  constructor({ rpcUrl, authorization, gatewayUrl }: KuboBackendOptions, parts: KuboBackendParts) {
    const { clock, logger, vault, random = Math.random } = parts;
    const isAway = (): boolean => this.#watch.status.state === "unreachable";
    this.#rpc = new KuboRpc(
      {
        timers: clock,
        isAway,
        onBroken: () => this.#watch.suspect(),
        onAnswer: () => this.#watch.noteLife(),
      },
      { baseUrl: rpcUrl, authorization },
    );
    const rpc = this.#rpc;
    this.#watch = new KuboWatch({ rpc, clock, random, logger, onAway: () => rpc.breakOff() });
    const hasPeers = (): Promise<boolean> => this.#hasPeers();
    const selfId = (): string | undefined => this.status().peerId;
    this.#records = new KuboRecords({ rpc, hasPeers });
    this.#routing = new KuboRouting(rpc);
    if (gatewayUrl !== undefined)
      this.#gateway = new KuboGateway({ timers: clock, isAway }, { url: gatewayUrl });
    this.#blocks = new KuboBlocks({
      rpc,
      gateway: this.#gateway,
      routing: this.#routing,
      timers: clock,
      hasPeers,
      selfId,
    });
    this.pinner = new KuboPins({ rpc, blocks: this.#blocks, held: vault, timers: clock, selfId });
  }

  /** Starts to look after Kubo, in the background. */
  start(): void {
    void this.#watch.look();
  }

  status(): KuboStatus {
    return this.#watch.status;
  }

  /** Kubo tells nobody what is put to it, so the listener is never called. */
  onRecordPushed(_listener: (name: IpnsName, recordBytes: Uint8Array) => void): () => void {
    return () => {};
  }

  async *get(name: IpnsName, options: { readonly signal: AbortSignal }): AsyncGenerator<Uint8Array> {
    const record = await untilAborted(this.#records.get(name, options), options.signal);
    if (record !== undefined) yield record;
  }

  async put(
    name: IpnsName,
    recordBytes: Uint8Array,
    options: { readonly signal: AbortSignal },
  ): Promise<{ readonly confirmedPeers: number }> {
    try {
      return await this.#records.put(name, recordBytes, options);
    } catch (err) {
      if (!options.signal.aborted) throw err;
      throw new HoldfastError("UPSTREAM_TIMEOUT", "Kubo did not confirm the record in time", { cause: err });
    }
  }

  retrieve(cid: CID, options: { readonly root?: CID; readonly signal: AbortSignal }): Promise<Uint8Array> {
    return this.#blocks.retrieve(cid, options);
  }

  async *findProviders(
    cid: CID,
    options: { readonly limit: number; readonly signal: AbortSignal },
  ): AsyncGenerator<RoutedPeer> {
    try {
      yield* this.#routing.findProviders(cid, options);
    } catch (err) {
      if (!options.signal.aborted) throw err;
    }
  }

  /** @throws HoldfastError `INVALID_ARGUMENT` when the text is not a peer id, `BACKEND_UNAVAILABLE`. */
  async findPeer(peerId: string, options: { readonly signal: AbortSignal }): Promise<RoutedPeer | undefined> {
    const own = this.status();
    // Kubo refuses to look for itself.
    if (peerId === own.peerId) return { id: peerId, addrs: own.addrs, protocols: [] };
    return untilAborted(this.#routing.findPeer(peerId, options), options.signal);
  }

  /** @throws HoldfastError `CONTENT_NOT_FOUND` when Kubo does not hold the block, `BACKEND_UNAVAILABLE`. */
  provide(cid: CID, options: { readonly signal: AbortSignal }): Promise<void> {
    return this.#routing.provide(cid, options);
  }

  /** @throws HoldfastError `BACKEND_UNAVAILABLE`, `UPSTREAM_TIMEOUT` when none of the peers could be reached. */
  connectTo(addrs: readonly string[], options: { readonly signal: AbortSignal }): Promise<void> {
    return connectKubo(this.#rpc, addrs, options);
  }

  /** Nobody waits here for a block: Kubo's peers ask Kubo. */
  async announceBlocks(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    const watchStopped = this.#watch[Symbol.asyncDispose]();
    this.#rpc[Symbol.dispose]();
    this.#gateway?.[Symbol.dispose]();
    await watchStopped;
  }

  async #hasPeers(): Promise<boolean> {
    // Peers come within moments of a start, so a zero is looked at again.
    if (this.status().peers === 0) await this.#watch.look();
    return this.status().peers > 0;
  }
}

/** Undefined when it fails because the signal aborted. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  try {
    return await work;
  } catch (err) {
    if (signal.aborted) return undefined;
    throw err;
  }
}
