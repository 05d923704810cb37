/**
 * The node thread: a composition root of its own, so it is the one file of this adapter that builds parts of others
 * (the vault's reader, the record database's reader, the signature check). Parts cannot be handed to a thread.
 * `libp2p` and Helia are loaded here and nowhere else.
 */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { IpnsName, IpnsRecord } from "@holdfast/core";
import { CID } from "multiformats/cid";
import { verifySignature } from "../crypto/verify-signature.ts";
import { FileBlockStore } from "../files/block-store.ts";
import { openRecordReader, type RecordReader } from "../sqlite/record-reader.ts";
import { BitswapSwarm } from "./bitswap-swarm.ts";
import { BlockFetcher } from "./block-fetcher.ts";
import { Captures } from "./captures.ts";
import { ConfiguredPeers } from "./configured-peers.ts";
import { createNode, type IpfsNode } from "./create-node.ts";
import { DhtDatastore } from "./dht-datastore.ts";
import { dialPeers } from "./dial-peers.ts";
import { DhtRecords } from "./dht-records.ts";
import { PeerDirectory } from "./peer-directory.ts";
import {
  type FromThread,
  type NodeFacts,
  type NodeThreadSettings,
  ownCopy,
  type ToThread,
} from "./protocol.ts";
import { Limiter } from "../concurrency/limiter.ts";
import { whenReachable } from "./reachability.ts";
import { CallServer, type Handlers } from "./serve-calls.ts";
import { ThreadBlockstore } from "./thread-blockstore.ts";

const SWEEP_EVERY_MS = 60 * 60 * 1_000;
/** Connections come and go in bursts. */
const FACTS_DELAY_MS = 100;
/**
 * Each query opens a stream to each peer that it asks, and peers refuse too many at once: on a small network every query
 * asks the same few.
 */
const QUERIES_AT_ONCE_MAX = { lan: 24, public: 128 } as const;
/** A public node with that many connections leaves the bootstrap peers alone. */
const ENOUGH_PUBLIC_PEERS = 4;

if (parentPort === null) throw new Error("this is the module of a worker thread");
const port: MessagePort = parentPort;
const post = (message: FromThread): void => {
  port.postMessage(message);
};

// Libraries leave a promise behind now and then when a connection breaks; their state is sound, and ours does not depend
// on it. A thrown error that nobody catches ends the thread, and it is restarted.
process.on("unhandledRejection", (reason) => {
  const fields = { reason: reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason) };
  post({ type: "log", level: "warn", message: "embedded node: unhandled rejection", fields });
});

await run(workerData as NodeThreadSettings);

async function run(settings: NodeThreadSettings): Promise<void> {
  await mkdir(settings.dataDir, { recursive: true, mode: 0o700 });
  const captures = new Captures((routingKey, record) => post({ type: "captured", routingKey, record }));
  const datastore = new DhtDatastore(join(settings.dataDir, "datastore"), {
    storedRecord: recordDatabaseOf(settings.recordDatabase),
    onStored: (routingKey, record) => captures.add(routingKey, record),
  });
  await datastore.open();
  await datastore.sweepRecords(Date.now());
  const vault =
    settings.vaultDir === undefined
      ? undefined
      : await FileBlockStore.open(settings.vaultDir, { readOnly: true });
  const blocks = new ThreadBlockstore(vault);
  const node = await createNode(settings, { blockstore: blocks, datastore, verifySignature });
  const enoughPeers = settings.network === "public" ? ENOUGH_PUBLIC_PEERS : Number.POSITIVE_INFINITY;
  const peers = new ConfiguredPeers(node.libp2p, settings.bootstrap, enoughPeers);
  const handlers = await handlersOf({
    node,
    blocks,
    datastore,
    captures,
    configuredPeers: peers.count,
    network: settings.network,
  });
  const server = new CallServer(port, handlers);
  const sweeps = setInterval(() => {
    datastore.sweepRecords(Date.now()).catch((err: unknown) => {
      post({
        type: "log",
        level: "error",
        message: "DHT store could not be swept",
        fields: { reason: String(err) },
      });
    });
  }, SWEEP_EVERY_MS);
  port.on("message", (message: ToThread) => {
    if (message.type === "captureTaken") captures.taken();
    else if (message.type === "stop") void stop();
    else server.receive(message);
  });
  peers.start();
  reportFacts(node, captures);

  async function stop(): Promise<void> {
    clearInterval(sweeps);
    peers.stop();
    server.abortAll();
    try {
      await node.stop();
      await datastore.close();
    } finally {
      process.exit(0);
    }
  }
}

async function handlersOf(parts: {
  readonly node: IpfsNode;
  readonly blocks: ThreadBlockstore;
  readonly datastore: DhtDatastore;
  readonly captures: Captures;
  readonly configuredPeers: number;
  readonly network: NodeThreadSettings["network"];
}): Promise<Handlers> {
  const { node, blocks, datastore, captures, configuredPeers } = parts;
  const { libp2p, dht } = node;
  let lastChangeMs = Date.now();
  libp2p.addEventListener("peer:connect", () => {
    lastChangeMs = Date.now();
  });
  const reachable = (signal: AbortSignal): Promise<void> =>
    whenReachable(
      {
        routingTableSize: () => dht.routingTable.size,
        lastChangeMs: () => lastChangeMs,
        peersExpected: () => configuredPeers > 0 || libp2p.getPeers().length > 0,
        configuredPeers,
      },
      signal,
    );
  const queries = new Limiter(QUERIES_AT_ONCE_MAX[parts.network]);
  const enterQuery = async (signal: AbortSignal): Promise<Disposable> => {
    await reachable(signal);
    return queries.enter(signal);
  };
  const directory = new PeerDirectory(libp2p, enterQuery);
  const swarm = await BitswapSwarm.start(libp2p, node.bitswap);
  const fetcher = new BlockFetcher({
    blocks,
    swarm,
    findProviders: (cid, signal) => directory.providersOf(cid, signal),
    isSelf: (peer) => directory.isSelf(peer),
    whenReachable: reachable,
  });
  const records = new DhtRecords({
    dht,
    datastore,
    enterQuery,
    onOwnPut: (routingKey, record) => captures.ignore(routingKey, record),
  });
  return {
    recordGet: async ({ routingKey }, { signal, emit }) => {
      await records.get(routingKey, { signal, emit: (record) => emit(ownCopy(record)) });
      return undefined;
    },
    recordPut: ({ routingKey, record }, { signal }) => records.put(routingKey, record, { signal }),
    blockGet: ({ cid, root }, { signal }) => fetcher.fetch(CID.decode(cid), CID.decode(root ?? cid), signal),
    findProviders: async ({ cid, limit }, context) => {
      await directory.findProviders(CID.decode(cid), limit, context);
      return undefined;
    },
    findPeer: ({ peerId }, { signal }) => directory.findPeer(peerId, signal),
    provide: async ({ cid }, { signal }) => {
      await directory.provide(CID.decode(cid), signal);
      return undefined;
    },
    connect: async ({ addrs }, { signal }) => {
      await dialPeers(libp2p, addrs, signal);
      return undefined;
    },
    announceBlocks: async ({ cids }) => {
      for (const cid of cids) await swarm.announce(CID.decode(cid));
      return undefined;
    },
  };
}

/** Reads our own records, if the database is there by the time one is asked for; the store's thread makes it. */
function recordDatabaseOf(file: string | undefined): (name: IpnsName) => IpnsRecord | undefined {
  let reader: RecordReader | undefined;
  return (name) => {
    if (file === undefined) return undefined;
    if (reader === undefined) {
      if (!existsSync(file)) return undefined;
      try {
        reader = openRecordReader(file);
      } catch {
        // Its tables are just being made.
        return undefined;
      }
    }
    return reader.get(name)?.record;
  };
}

/** Says that the node runs, and from then on what changes about it. */
function reportFacts({ libp2p }: IpfsNode, captures: Captures): void {
  const factsNow = (): NodeFacts => ({
    peerId: libp2p.peerId.toString(),
    addrs: libp2p.getMultiaddrs().map((addr) => addr.toString()),
    peers: libp2p.getPeers().length,
    capturesDropped: captures.dropped,
  });
  let timer: NodeJS.Timeout | undefined;
  const changed = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      post({ type: "facts", facts: factsNow() });
    }, FACTS_DELAY_MS).unref();
  };
  libp2p.addEventListener("peer:connect", changed);
  libp2p.addEventListener("peer:disconnect", changed);
  libp2p.addEventListener("self:peer:update", changed);
  post({ type: "running", facts: factsNow() });
}
