import type { SqlitePinStore } from "./adapters/sqlite/pins/pin-store.ts";
import type { Backend } from "./backend.ts";
import type { Config } from "./config/config.ts";
import type { BlockStore } from "./content/block-store.ts";
import type { Blocks } from "./content/blocks.ts";
import type { Vault } from "./content/vault.ts";
import type { Pinner } from "./pins/pinner.ts";
import { Pins, type PinsParts } from "./pins/pins.ts";
import { VaultPinner } from "./pins/vault-pinner.ts";
import { FIRST_PEER_MS_MAX, PIN_POLICY } from "./policies.ts";
import { systemClock } from "./telemetry/clock.ts";
import type { Logger } from "./telemetry/logger.ts";
import type { Metrics } from "./telemetry/metrics.ts";

export interface PinsNeeds {
  readonly store: SqlitePinStore;
  readonly backend: Backend;
  readonly vault: Vault;
  readonly blocks: Blocks;
  readonly onWished: NonNullable<PinsParts["onWished"]>;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** The room of pins, on this stack. It works on its queue when `start` was called: after the backend's. */
export function createPins(config: Config, needs: PinsNeeds, stack: AsyncDisposableStack): Pins {
  const { store, backend, vault, metrics } = needs;
  const isUp = (): boolean => isBackendUp(config, backend);
  return stack.use(
    new Pins(
      {
        store,
        onWished: needs.onWished,
        ...(backend.pinner === undefined
          ? { vault, pinner: vaultPinner(needs) }
          : { pinner: backend.pinner }),
        ...(backend.canRoute ? { provider: backend } : {}),
        isBackendUp: isUp,
        clock: systemClock,
        timers: systemClock,
        random: Math.random,
        logger: needs.logger.child({ part: "pins" }),
        metrics,
      },
      {
        ...PIN_POLICY,
        pinsPerSecondMax: config.pinsPerSecondMax,
        pinBytesMax: config.pinBytesMax === 0 ? undefined : config.pinBytesMax,
      },
    ),
  );
}

/** A node of our own knows nobody when it has just started: what it does not find then may well be there a moment later. */
function isBackendUp({ trustlessGateways }: Config, backend: Backend): boolean {
  if (!backend.canRoute) return true;
  const { state, peers, sinceMs } = backend.status();
  if (state !== "running") return false;
  const knowsSomebody = backend.pinner !== undefined || peers > 0 || trustlessGateways.length > 0;
  return knowsSomebody || systemClock.nowMs() - sinceMs > FIRST_PEER_MS_MAX;
}

/** While an attempt is under way, no block that it finds or brings may leave the vault: its root may still be on its way. */
function vaultPinner({ blocks, vault, store }: PinsNeeds): Pinner {
  const pinnerOver = (held: BlockStore): VaultPinner => new VaultPinner({ blocks, pins: store, vault: held });
  const looker = pinnerOver({
    get: (cid) => vault.get(cid),
    has: (cid) => vault.has(cid),
    put: () => Promise.reject(new Error("looking puts nothing")),
  });
  return {
    label: looker.label,
    repositoryId: looker.repositoryId,
    pin: async (root, options) => {
      using lease = vault.begin();
      return await pinnerOver(lease).pin(root, options);
    },
    unpin: () => looker.unpin(),
    isPinned: (root, options) => looker.isPinned(root, options),
    listPinned: (options) => looker.listPinned(options),
  };
}
