import type { RoutedPeer } from "../../content/content-routing.ts";

/**
 * What crosses the port between the main thread and the node thread. CIDs and names cross as bytes; every byte array owns
 * its whole buffer ({@link ownCopy}), because a posted view clones, or detaches, all of the buffer behind it.
 */
export interface Calls {
  recordGet: { params: { routingKey: Uint8Array }; item: Uint8Array; result: undefined };
  recordPut: {
    params: { routingKey: Uint8Array; record: Uint8Array };
    item: never;
    result: { confirmedPeers: number };
  };
  blockGet: { params: { cid: Uint8Array; root: Uint8Array | undefined }; item: never; result: Uint8Array };
  findProviders: { params: { cid: Uint8Array; limit: number }; item: RoutedPeer; result: undefined };
  findPeer: { params: { peerId: string }; item: never; result: RoutedPeer | undefined };
  provide: { params: { cid: Uint8Array }; item: never; result: undefined };
  /** Connects to the peers of these multiaddrs. */
  connect: { params: { addrs: readonly string[] }; item: never; result: undefined };
  /** Blocks that are new in the vault: peers that wait for one get it. */
  announceBlocks: { params: { cids: readonly Uint8Array[] }; item: never; result: undefined };
}

export type Method = keyof Calls;

export type ToThread =
  | { readonly type: "call"; readonly id: number; readonly method: Method; readonly params: unknown }
  /** The caller has gone: the call's signal aborts, and the thread still answers it once. */
  | { readonly type: "cancel"; readonly id: number }
  /** One `captured` message was dealt with. */
  | { readonly type: "captureTaken" }
  | { readonly type: "stop" };

export type FromThread =
  | { readonly type: "item"; readonly id: number; readonly item: unknown }
  | { readonly type: "result"; readonly id: number; readonly result: unknown }
  | { readonly type: "failure"; readonly id: number; readonly failure: Failure }
  /** A record that a peer pushed to our DHT server, validated there. */
  | { readonly type: "captured"; readonly routingKey: Uint8Array; readonly record: Uint8Array }
  | { readonly type: "running"; readonly facts: NodeFacts }
  | { readonly type: "facts"; readonly facts: NodeFacts }
  | {
      readonly type: "log";
      readonly level: "debug" | "warn" | "error";
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    };

/** An error as it crosses threads. `code` is undefined for what is not a HoldfastError, i.e. a bug or a library's error. */
export interface Failure {
  readonly code: string | undefined;
  readonly message: string;
}

export interface NodeFacts {
  readonly peerId: string;
  /** Multiaddrs it listens on, with `/p2p/…`. */
  readonly addrs: readonly string[];
  /** How many peers are connected. */
  readonly peers: number;
  /** How many pushed records were dropped because the main thread did not keep up. */
  readonly capturesDropped: number;
}

export interface NodeThreadSettings {
  readonly network: "public" | "lan";
  readonly swarmListen: readonly string[];
  /** Multiaddrs with `/p2p/…`, kept connected. */
  readonly bootstrap: readonly string[];
  /** Holds the identity (`node.key`) and the datastore. */
  readonly dataDir: string;
  /** The record database, read only; it need not exist. */
  readonly recordDatabase: string | undefined;
  /** The durable blocks, read only; served to peers. */
  readonly vaultDir: string | undefined;
}

/** A copy that shares its buffer with nobody. */
export function ownCopy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  // Not `slice`: a Buffer's `slice` is a view.
  return new Uint8Array(bytes);
}
