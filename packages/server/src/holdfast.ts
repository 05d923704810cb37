import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { SignatureVerifier } from "./adapters/crypto/signature-verifier.ts";
import type { CachedDnslinks } from "./adapters/dns/dnslinks.ts";
import type { FileBlockStore } from "./adapters/files/block-store.ts";
import { SqliteRecordStore } from "./adapters/sqlite/record-store.ts";
import type { Backend } from "./backend.ts";
import type { Config } from "./config/config.ts";
import type { Added } from "./content/add-files.ts";
import type { Blocks } from "./content/blocks.ts";
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
import { PROVIDE_TIMEOUT_MS, STOP_GRACE_MS } from "./policies.ts";
import { createBackend, openVault, startBlocks } from "./start-content.ts";
import { createDnslinks, startRecords } from "./start-records.ts";
import type { Records } from "./records/records.ts";
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
  const vault = await openVault(vaultDir, { metrics, logger }, stack);
  const backend = stack.use(
    createBackend(config, { recordDatabase: recordStore.databasePath, vaultDir, metrics, logger }),
  );
  const dnslinks = stack.use(createDnslinks(config, logger));
  const records = startRecords(config, { recordStore, verifier, backend, metrics, dnslinks, logger }, stack);
  const blocks = await startBlocks(config, { vault, backend, metrics, logger }, stack);
  return { records, recordStore, backend, vault, blocks, dnslinks, metrics };
}
