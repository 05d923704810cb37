import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { SignatureVerifier } from "./adapters/crypto/signature-verifier.ts";
import { DnsOverHttps } from "./adapters/dns/dns-over-https.ts";
import { CachedDnslinks } from "./adapters/dns/dnslinks.ts";
import { SystemDns } from "./adapters/dns/system-dns.ts";
import type { TxtLookup } from "./adapters/dns/txt-lookup.ts";
import { EmbeddedNode } from "./adapters/embedded/embedded-node.ts";
import { PUBLIC_BOOTSTRAP } from "./adapters/embedded/public-bootstrap.ts";
import { FileBlockCache } from "./adapters/files/block-cache.ts";
import { FileBlockStore } from "./adapters/files/block-store.ts";
import { TrustlessSource } from "./adapters/gateways/trustless-source.ts";
import { KuboBackend } from "./adapters/kubo/kubo-backend.ts";
import { SqliteRecordStore } from "./adapters/sqlite/record-store.ts";
import type { Backend } from "./backend.ts";
import type { Config } from "./config/config.ts";
import type { Added } from "./content/add-files.ts";
import { Blocks } from "./content/blocks.ts";
import { createAdminServer } from "./http/admin-server.ts";
import {
  createPublicServer,
  type HttpServer,
  type PublicServer,
  type PublicServerParts,
} from "./http/public-server.ts";
import { contentRoutes } from "./http/routes/content.ts";
import { contentRpcRoutes } from "./http/routes/dag-routes.ts";
import { WritePolicy } from "./http/write-policy.ts";
import {
  DNS_TIMEOUT_MS,
  PROPAGATION_POLICY,
  PROVIDE_TIMEOUT_MS,
  PUSHED_RECORDS_WAITING_MAX,
  RECORD_POLICY,
  STOP_GRACE_MS,
} from "./policies.ts";
import { Propagator } from "./records/propagator.ts";
import { Records } from "./records/records.ts";
import { systemClock } from "./telemetry/clock.ts";
import type { Logger } from "./telemetry/logger.ts";
import { Metrics } from "./telemetry/metrics.ts";
import { HOLDFAST_VERSION } from "./version.ts";

/** A running node. Disposing it drains and stops it, in the order that `docs/ARCHITECTURE.md` gives. */
export interface Holdfast extends AsyncDisposable {
  readonly publicUrl: string;
  readonly adminUrl: string;
}

export interface StartOptions {
  readonly logger: Logger;
  /** Called when nothing can be stored any more until the process is started again. What is held is still answered. */
  readonly onFatal: (err: Error) => void;
}

/**
 * Builds every part, wires them and starts them. Requests are answered when it returns; the network may still be starting.
 *
 * @throws HoldfastError `STORE_FAILED` when the data folder cannot be used or belongs to another process.
 */
export async function startHoldfast(config: Config, options: StartOptions): Promise<Holdfast> {
  const { logger } = options;
  // Parts are disposed in the reverse of the order in which they are pushed, also when the start fails half way.
  const stack = new AsyncDisposableStack();
  try {
    const parts = await startParts(config, options, stack);
    const { records, recordStore, backend, vault, metrics } = parts;
    const shared = { records, clock: systemClock, logger: logger.child({ part: "http" }), metrics };
    const publicServer = createPublic(config, parts, shared);
    const adminServer = createAdminServer(
      {
        ...shared,
        recordStore,
        pinnedRoots: recordStore.pinnedRoots,
        vault,
        backend,
        refusals: publicServer.refusals,
      },
      { ...config.adminListen, nodeName: config.nodeName },
    );
    // The admin listener is closed last: it says that we are draining.
    stack.adopt(adminServer, closeWithGrace);
    stack.adopt(publicServer, closeWithGrace);
    const [publicUrl, adminUrl] = [await publicServer.listen(), await adminServer.listen()];
    // After the ports are open: loading libp2p takes a second of CPU that no first request should wait for.
    backend.start();
    const running = stack.move();
    return { publicUrl, adminUrl, [Symbol.asyncDispose]: () => running.disposeAsync() };
  } catch (err) {
    await stack.disposeAsync();
    throw err;
  }
}

function createPublic(
  config: Config,
  { records, recordStore, backend, vault, blocks, dnslinks }: Parts,
  shared: Omit<PublicServerParts, "contentRouting" | "writePolicy">,
): PublicServer {
  const writePolicy = new WritePolicy(config.writePolicy);
  return createPublicServer(
    { ...shared, contentRouting: backend.canRoute ? backend : undefined, writePolicy, dnslinks },
    {
      ...config.publicListen,
      version: HOLDFAST_VERSION,
      rateLimits: config.rateLimits,
      trustedProxies: config.trustedProxies,
      gatewayHosts: config.gatewayHosts,
      responseCacheBytesMax: config.responseCacheBytesMax,
      routes: [
        contentRoutes({ blocks, records }),
        contentRpcRoutes(
          {
            vault,
            blocks,
            pinnedRoots: recordStore.pinnedRoots,
            writePolicy,
            metrics: shared.metrics,
            onAdded: (added) => {
              blocks.noteStored(added.cids);
              tellPeers(backend, added, shared.logger);
            },
          },
          { contentBytesMax: config.addBytesMax },
        ),
      ],
    },
  );
}

/** Peers that wait for these blocks get them, and the DHT learns that we have their roots. Behind the answer, best effort. */
function tellPeers(backend: Backend, { roots, cids }: Pick<Added, "roots" | "cids">, logger: Logger): void {
  if (!backend.canRoute) return;
  const signal = AbortSignal.timeout(PROVIDE_TIMEOUT_MS);
  const told = [
    backend.announceBlocks(cids, { signal }),
    ...roots.map((root) => backend.provide(root, { signal })),
  ];
  for (const one of told) {
    one.catch((err: unknown) => {
      logger.debug({ err }, "peers could not be told of added blocks");
    });
  }
}

async function closeWithGrace(server: HttpServer): Promise<void> {
  await server.close(STOP_GRACE_MS);
}

interface Parts {
  readonly records: Records;
  readonly recordStore: SqliteRecordStore;
  readonly backend: Backend;
  readonly vault: FileBlockStore;
  readonly blocks: Blocks;
  readonly dnslinks: CachedDnslinks;
  readonly metrics: Metrics;
}

async function startParts(
  config: Config,
  { logger, onFatal }: StartOptions,
  stack: AsyncDisposableStack,
): Promise<Parts> {
  const metrics = new Metrics();
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 });
  const recordStore = stack.use(
    await SqliteRecordStore.open(
      { logger: logger.child({ part: "store" }), onFatal },
      { dataDir: config.dataDir },
    ),
  );
  const verifier = stack.use(
    SignatureVerifier.start({ logger: logger.child({ part: "verifier" }), metrics }),
  );
  const vaultDir = join(config.dataDir, "vault");
  const vault = stack.use(
    await FileBlockStore.open(vaultDir, {
      onCorrupt: (cid) => {
        metrics.content.blocksCorrupt++;
        logger.error({ cid: cid.toString() }, "a block in the vault is corrupt");
      },
    }),
  );
  const backend = stack.use(
    createBackend(config, { recordDatabase: recordStore.databasePath, vaultDir, metrics, logger }),
  );
  const dnslinks = stack.use(createDnslinks(config, logger));
  const records = startRecords(config, { recordStore, verifier, backend, metrics, dnslinks, logger }, stack);
  const cache = await openBlockCache(config, { metrics, logger }, stack);
  const gateways = config.trustlessGateways.map(
    (baseUrl) => new TrustlessSource({ clock: systemClock }, { baseUrl }),
  );
  const blocks = new Blocks(
    {
      vault,
      ...(cache === undefined ? {} : { cache }),
      sources: [...(backend.canRoute ? [backend] : []), ...gateways],
      metrics,
    },
    { memoryBytesMax: config.blockMemoryBytesMax },
  );
  return { records, recordStore, backend, vault, blocks, dnslinks, metrics };
}

/** Offline there is nothing to ask, whatever the backend: that is what an embedded node without a network is. */
function createBackend(
  config: Config,
  parts: {
    readonly recordDatabase: string;
    readonly vaultDir: string;
    readonly metrics: Metrics;
    readonly logger: Logger;
  },
): Backend {
  const { network, swarmListen, bootstrap } = config;
  const { recordDatabase, vaultDir, metrics } = parts;
  if (config.backend === "kubo" && network !== "offline") {
    const logger = parts.logger.child({ part: "kubo" });
    return new KuboBackend({ rpcUrl: config.kuboRpcUrl }, { logger, clock: systemClock });
  }
  return new EmbeddedNode(
    {
      network,
      swarmListen,
      bootstrap: bootstrap ?? (network === "public" ? PUBLIC_BOOTSTRAP : []),
      dataDir: join(config.dataDir, "node"),
      recordDatabase,
      vaultDir,
    },
    { logger: parts.logger.child({ part: "node" }), metrics, clock: systemClock },
  );
}

async function openBlockCache(
  { dataDir, blockCacheBytesMax }: Config,
  { metrics, logger }: { readonly metrics: Metrics; readonly logger: Logger },
  stack: AsyncDisposableStack,
): Promise<FileBlockCache | undefined> {
  if (blockCacheBytesMax === 0) return undefined;
  const cache = await FileBlockCache.open(join(dataDir, "block-cache"), {
    bytesMax: blockCacheBytesMax,
    onCorrupt: () => metrics.content.blocksCorrupt++,
    onDropped: () => metrics.content.cacheBlocksDropped++,
    onWriteFailed: (err) => {
      metrics.content.cacheWritesFailed++;
      logger.warn({ err }, "blocks could not be written to the disk cache");
    },
  });
  return stack.use(cache);
}

function createDnslinks({ dns, dnslinkMap, network }: Config, logger: Logger): CachedDnslinks {
  let lookup: TxtLookup | undefined;
  if (network !== "offline" && dns.kind === "system") lookup = new SystemDns({ timeoutMs: DNS_TIMEOUT_MS });
  if (network !== "offline" && dns.kind === "https")
    lookup = new DnsOverHttps({ url: dns.url, timeoutMs: DNS_TIMEOUT_MS });
  const parts = { lookup, clock: systemClock, timers: systemClock, logger: logger.child({ part: "dns" }) };
  return new CachedDnslinks(parts, { map: dnslinkMap });
}

function startRecords(
  config: Config,
  parts: Pick<Parts, "recordStore" | "backend" | "metrics" | "dnslinks"> & {
    readonly verifier: SignatureVerifier;
    readonly logger: Logger;
  },
  stack: AsyncDisposableStack,
): Records {
  const { recordStore, verifier, backend, metrics, dnslinks } = parts;
  const logger = parts.logger.child({ part: "records" });
  const routers = backend.canRoute ? [backend] : [];
  const shared = { routers, timers: systemClock, random: Math.random, logger, metrics };
  const records = new Records(
    {
      ...shared,
      store: recordStore,
      verifySignature: verifier.verifySignature,
      dnslinks,
      clock: systemClock,
    },
    { ...RECORD_POLICY, hotBytesMax: config.hotRecordsBytesMax },
  );
  stack.defer(() => records.close());
  const propagator = new Propagator(shared, PROPAGATION_POLICY);
  stack.defer(() => {
    propagator.close();
  });
  records.onStored(({ current }) => {
    // What came from the network is there already; what a client gave us is ours to pass on.
    if (current.origin === "client") propagator.enqueue(current.record);
  });
  takePushedRecords(backend, records, { metrics, logger });
  return records;
}

/** Records that other peers put to our DHT server enter by the same door as a client's. */
function takePushedRecords(
  backend: Backend,
  records: Records,
  { metrics, logger }: { readonly metrics: Metrics; readonly logger: Logger },
): void {
  let waiting = 0;
  backend.onRecordPushed((name, recordBytes) => {
    if (waiting >= PUSHED_RECORDS_WAITING_MAX) return;
    waiting++;
    metrics.records.pushedByPeers++;
    records
      .publish(name, recordBytes, { origin: "peer-push" })
      .catch((err: unknown) => {
        logger.debug({ err, name: name.text }, "record pushed by a peer refused");
      })
      .finally(() => {
        waiting--;
      });
  });
}
