import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { SignatureVerifier } from "./adapters/crypto/signature-verifier.ts";
import type { CachedDnslinks } from "./adapters/dns/dnslinks.ts";
import type { FileBlockCache } from "./adapters/files/block-cache.ts";
import { SqliteRecordStore } from "./adapters/sqlite/record-store.ts";
import type { Backend } from "./backend.ts";
import { type Config, ConfigError } from "./config/config.ts";
import type { Blocks } from "./content/blocks.ts";
import type { Vault } from "./content/vault.ts";
import type { Pins } from "./pins/pins.ts";
import type { KeepAlive } from "./records/keep-alive/keep-alive.ts";
import type { Records } from "./records/records.ts";
import type { Webhooks } from "./records/webhooks/webhooks.ts";
import { type Announce, createAnnounce } from "./start-announce.ts";
import { createBackend, openBlockCache, openVault, startBlocks } from "./start-content.ts";
import { createFollowing, type Following } from "./start-follow.ts";
import { startKeepAlive } from "./start-keep-alive.ts";
import { createPins } from "./start-pins.ts";
import { createPinsApi, type PinsApi } from "./start-pins-api.ts";
import { createDnslinks, startRecords } from "./start-records.ts";
import { createRouters, type Routers } from "./start-routers.ts";
import { startVaultSweeps, type VaultSweeps } from "./start-vault.ts";
import { startWebhooks, watchForWebhooks } from "./start-webhooks.ts";
import type { Logger } from "./telemetry/logger.ts";
import { Metrics } from "./telemetry/metrics.ts";

export interface StartOptions {
  readonly logger: Logger;
  /** Called when nothing can be stored any more until the process is started again. What is held is still answered. */
  readonly onFatal: (err: Error) => void;
}

/** Where things are kept, and the way to the network. */
interface Stores {
  readonly recordStore: SqliteRecordStore;
  readonly verifier: SignatureVerifier;
  readonly vault: Vault;
  readonly cache: FileBlockCache | undefined;
  readonly backend: Backend;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** Everything that works on names, before pins. */
interface NameParts extends Stores {
  readonly dnslinks: CachedDnslinks;
  readonly routers: Routers;
  readonly records: Records;
  readonly keepAlive: KeepAlive;
  readonly webhooks: Webhooks;
}

/** Every part of a node but its listeners. */
export interface Parts extends NameParts {
  readonly blocks: Blocks;
  readonly sweeps: VaultSweeps;
  readonly pins: Pins;
  readonly pinsApi: PinsApi;
  readonly announce: Announce;
  readonly following: Following;
}

/**
 * Builds and wires the parts, on this stack. What works by itself on the network begins with {@link startWork}.
 *
 * @throws HoldfastError `STORE_FAILED` when the data folder cannot be used or belongs to another process; ConfigError when it
 *   cannot be made.
 */
export async function startParts(
  config: Config,
  options: StartOptions,
  stack: AsyncDisposableStack,
): Promise<Parts> {
  const stores = await openStores(config, options, stack);
  const named = await startNames(config, stores, stack);
  return createPinParts(config, named, stack);
}

/** After the ports are open: loading libp2p takes a second of CPU that no first request should wait for. */
export function startWork({ backend, pins, pinsApi, announce, following }: Parts): void {
  for (const part of [backend, pins, pinsApi, announce, following]) part.start();
}

async function openStores(
  config: Config,
  { logger, onFatal }: StartOptions,
  stack: AsyncDisposableStack,
): Promise<Stores> {
  const metrics = new Metrics();
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 }).catch((err: unknown) => {
    throw ConfigError.about("HOLDFAST_DATA_DIR", err);
  });
  const recordStore = stack.use(
    await SqliteRecordStore.open(
      { logger: logger.child({ part: "store" }), onFatal },
      { dataDir: config.dataDir },
    ),
  );
  await watchForWebhooks(config, recordStore.webhooks);
  const verifier = stack.use(
    SignatureVerifier.start({ logger: logger.child({ part: "verifier" }), metrics }),
  );
  const vaultDir = join(config.dataDir, "vault");
  const vault = await openVault(config, { vaultDir, metrics, logger }, stack);
  const cache = await openBlockCache(config, { metrics, logger }, stack);
  const { databasePath: recordDatabase } = recordStore;
  const backend = stack.use(
    createBackend(config, { recordDatabase, vaultDir, vault, cache, metrics, logger }),
  );
  return { recordStore, verifier, vault, cache, backend, metrics, logger };
}

async function startNames(config: Config, stores: Stores, stack: AsyncDisposableStack): Promise<NameParts> {
  const dnslinks = stack.use(createDnslinks(config, stores.logger));
  const routers = createRouters(config, stores);
  const records = startRecords(config, { ...stores, routers, dnslinks }, stack);
  const keepAlive = await startKeepAlive(config, { ...stores, records, routers }, stack);
  const webhooks = startWebhooks(config, { ...stores, store: stores.recordStore, records }, stack);
  return { ...stores, dnslinks, routers, records, keepAlive, webhooks };
}

async function createPinParts(config: Config, named: NameParts, stack: AsyncDisposableStack): Promise<Parts> {
  const { recordStore } = named;
  const blocks = startBlocks(config, named);
  const sweeps = startVaultSweeps(config, named, stack);
  const { onWished } = sweeps;
  const pins = createPins(config, { ...named, store: recordStore.pins, blocks, onWished }, stack);
  pins.onPinned(({ root }) => sweeps.onPinned(root));
  const announce = await createAnnounce(config, { ...named, log: recordStore.announcements, pins }, stack);
  const pinsApi = await createPinsApi(config, { ...named, pins }, stack);
  const following = await createFollowing(config, { ...named, pins }, stack);
  return { ...named, blocks, sweeps, pins, announce, pinsApi, following };
}
