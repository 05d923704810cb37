import { join } from "node:path";
import { EmbeddedNode } from "./adapters/embedded/embedded-node.ts";
import { PUBLIC_BOOTSTRAP } from "./adapters/embedded/public-bootstrap.ts";
import { FileBlockCache } from "./adapters/files/block-cache.ts";
import { FileBlockStore } from "./adapters/files/block-store.ts";
import { TrustlessSource } from "./adapters/gateways/trustless-source.ts";
import { KuboBackend } from "./adapters/kubo/kubo-backend.ts";
import type { Backend } from "./backend.ts";
import type { Config } from "./config/config.ts";
import { Blocks } from "./content/blocks.ts";
import { systemClock } from "./telemetry/clock.ts";
import type { Logger } from "./telemetry/logger.ts";
import type { Metrics } from "./telemetry/metrics.ts";

interface Watched {
  readonly metrics: Metrics;
  readonly logger: Logger;
}

export async function openVault(
  vaultDir: string,
  { metrics, logger }: Watched,
  stack: AsyncDisposableStack,
): Promise<FileBlockStore> {
  const vault = await FileBlockStore.open(vaultDir, {
    onCorrupt: (cid) => {
      metrics.content.blocksCorrupt++;
      logger.error({ cid: cid.toString() }, "a block in the vault is corrupt");
    },
  });
  return stack.use(vault);
}

/** Offline there is nothing to ask, whatever the backend: that is what an embedded node without a network is. */
export function createBackend(
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

/** Blocks from memory, vault, disk cache and the sources that the configuration names. */
export async function startBlocks(
  config: Config,
  parts: Watched & { readonly vault: FileBlockStore; readonly backend: Backend },
  stack: AsyncDisposableStack,
): Promise<Blocks> {
  const { vault, backend, metrics } = parts;
  const cache = await openBlockCache(config, parts, stack);
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

async function openBlockCache(
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
