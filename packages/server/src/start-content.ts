import { join } from "node:path";
import { EmbeddedNode } from "./adapters/embedded/embedded-node.ts";
import { PUBLIC_BOOTSTRAP } from "./adapters/embedded/public-bootstrap.ts";
import { FileBlockCache } from "./adapters/files/block-cache.ts";
import { FileBlockStore } from "./adapters/files/block-store.ts";
import { TrustlessSource } from "./adapters/gateways/trustless-source.ts";
import { KuboBackend } from "./adapters/kubo/kubo-backend.ts";
import type { Backend } from "./backend.ts";
import type { Config } from "./config/config.ts";
import type { BlockStore } from "./content/block-store.ts";
import { Blocks } from "./content/blocks.ts";
import { Vault } from "./content/vault.ts";
import { STAGING_BYTES_MAX } from "./policies.ts";
import { systemClock } from "./telemetry/clock.ts";
import type { Logger } from "./telemetry/logger.ts";
import type { Metrics } from "./telemetry/metrics.ts";

interface Watched {
  readonly metrics: Metrics;
  readonly logger: Logger;
}

export async function openVault(
  config: Config,
  { vaultDir, metrics, logger }: Watched & { readonly vaultDir: string },
  stack: AsyncDisposableStack,
): Promise<Vault> {
  const store = await FileBlockStore.open(vaultDir, {
    onCorrupt: (cid) => {
      metrics.content.blocksCorrupt++;
      logger.error({ cid: cid.toString() }, "a block in the vault is corrupt");
    },
  });
  stack.use(store);
  return new Vault(
    { store, metrics, onPutFailed: (err) => logger.error({ err }, "blocks could not be written") },
    { bytesMax: config.vaultBytesMax ?? (isStaging(config) ? STAGING_BYTES_MAX : 0) },
  );
}

/** Whether content is kept for good by another repository, and our vault is where it waits for that. */
export function isStaging({ backend, network }: Config): boolean {
  return backend === "kubo" && network !== "offline";
}

/** Offline there is nothing to ask, whatever the backend: that is what an embedded node without a network is. */
export function createBackend(
  config: Config,
  parts: {
    readonly recordDatabase: string;
    readonly vaultDir: string;
    readonly vault: Vault;
    readonly cache: FileBlockCache | undefined;
    readonly metrics: Metrics;
    readonly logger: Logger;
  },
): Backend {
  const { network, swarmListen, bootstrap } = config;
  const { recordDatabase, vaultDir, metrics } = parts;
  if (isStaging(config)) {
    const logger = parts.logger.child({ part: "kubo" });
    return new KuboBackend(
      {
        rpcUrl: config.kuboRpcUrl,
        authorization: config.kuboRpcAuthorization,
        gatewayUrl: config.kuboGatewayUrl,
      },
      { logger, clock: systemClock, vault: heldIn(parts) },
    );
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

/** What another repository can get from here: when it has lost a pin, the cache may well have its blocks. */
function heldIn(parts: {
  readonly vault: Vault;
  readonly cache: FileBlockCache | undefined;
}): Pick<BlockStore, "get" | "has"> {
  const { vault, cache } = parts;
  return {
    get: async (cid) => (await vault.get(cid)) ?? (await cache?.get(cid)),
    has: async (cid) => (await vault.has(cid)) || cache?.has(cid) === true,
  };
}

/** Blocks from memory, vault, disk cache and the sources that the configuration names. */
export function startBlocks(
  config: Config,
  parts: Watched & {
    readonly vault: Vault;
    readonly cache: FileBlockCache | undefined;
    readonly backend: Backend;
  },
): Blocks {
  const { vault, cache, backend, metrics } = parts;
  const gateways = config.trustlessGateways.map(
    (baseUrl) => new TrustlessSource({ clock: systemClock }, { baseUrl }),
  );
  return new Blocks(
    {
      vault,
      ...(cache === undefined ? {} : { cache }),
      sources: [...(backend.canRoute ? [backend] : []), ...gateways],
      metrics,
    },
    { memoryBytesMax: config.blockMemoryBytesMax },
  );
}

/** Undefined when there is to be none. */
export async function openBlockCache(
  { dataDir, blockCacheBytesMax }: Config,
  { metrics, logger }: Watched,
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
