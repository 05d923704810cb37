import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CID } from "multiformats/cid";
import { pino } from "pino";
import { FileBlockStore } from "../../src/adapters/files/block-store.ts";
import { MemoryBlockCache } from "../../src/adapters/memory/block-cache.ts";
import { MemoryPinStore } from "../../src/adapters/memory/pin-store.ts";
import type { Block, SweepableBlockStore } from "../../src/content/block-store.ts";
import { Vault } from "../../src/content/vault.ts";
import { GarbageCollector } from "../../src/pins/sweep/collect-garbage.ts";
import type { GarbageReport } from "../../src/pins/sweep/garbage-report.ts";
import type { PinState } from "../../src/pins/pin.ts";
import type { PinStore } from "../../src/pins/pin-store.ts";
import { VaultRelease } from "../../src/pins/sweep/sweep.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { ManualClock } from "./manual-clock.ts";

const RULES = { storedIsPinned: false, provides: false };
const DAY_MS = 24 * 3_600_000;

/** What a test does at moments that it could not meet otherwise. */
interface SweepHooks {
  beforeList?: () => Promise<void>;
  beforeDelete?: () => Promise<void>;
  /** What the repository says of a pin that it has confirmed. Default: that it has it. */
  isPinned?: (root: CID) => Promise<boolean>;
  onPinsListed?: (state: PinState | undefined) => void;
}

function hookedStore(store: SweepableBlockStore, hooks: SweepHooks): SweepableBlockStore {
  return {
    get heldBytes() {
      return store.heldBytes;
    },
    get: (cid) => store.get(cid),
    has: (cid) => store.has(cid),
    put: (blocks) => store.put(blocks),
    async *list(options) {
      await hooks.beforeList?.();
      yield* store.list(options);
    },
    delete: async (cids) => {
      await hooks.beforeDelete?.();
      await store.delete(cids);
    },
  };
}

function hookedPins(pins: PinStore, hooks: SweepHooks): Pick<PinStore, "get" | "list"> {
  return {
    get: (root) => pins.get(root),
    list: (options) => {
      hooks.onPinsListed?.(options.state);
      return pins.list(options);
    },
  };
}

async function openParts(isStaging: boolean) {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-sweeps-"));
  const clock = new ManualClock();
  const store = await FileBlockStore.open(directory, { nowMs: () => clock.nowMs() });
  const metrics = new Metrics();
  const hooks: SweepHooks = {};
  const vault = new Vault({ store: hookedStore(store, hooks), metrics }, { bytesMax: 0 });
  const pins = new MemoryPinStore();
  const cache = new MemoryBlockCache({ bytesMax: 64 * 1024 * 1024 });
  const recordRoots: CID[] = [];
  const records = {
    async *ipfsRoots() {
      yield recordRoots;
    },
  };
  const pinner = { isPinned: async (root: CID) => (await hooks.isPinned?.(root)) ?? true };
  const logger = pino({ level: "silent" });
  const shared = { pins: hookedPins(pins, hooks), vault, clock, timers: clock, metrics, logger };
  const release = new VaultRelease({ ...shared, cache, pinner }, { pauseMs: 1_000, fullLookMs: DAY_MS });
  const collector = new GarbageCollector({ ...shared, records }, { isStaging, graceMs: DAY_MS });
  return { directory, hooks, clock, store, metrics, vault, pins, cache, recordRoots, release, collector };
}

/** A vault of real files with pins, both sweeps, and a clock that the test moves. */
export async function openSweeps({ isStaging = true } = {}) {
  const parts = await openParts(isStaging);
  const { directory, clock, store, vault, pins, release, collector } = parts;
  return {
    ...parts,

    async put(...blocks: readonly Block[]): Promise<void> {
      using lease = vault.begin();
      await lease.put(blocks);
    },

    /** A pin that has come to this state. */
    async pin(root: CID, state: Exclude<PinState, "provided">, recursive = true): Promise<void> {
      const claim = { source: "add", holder: "", name: undefined, createdAtMs: clock.nowMs() } as const;
      const isStored = state === "stored" || state === "pinned";
      await pins.add([{ root, recursive, claim, isStored }], RULES);
      if (state === "dead")
        await pins.settle([{ root, outcome: { kind: "dead", attempts: 9, problem: "nobody has it" } }]);
      if (state === "pinned") await this.confirm(root);
    },

    /** The repository says that it has the pin. */
    async confirm(root: CID): Promise<void> {
      const recursive = pins.get(root)?.recursive ?? true;
      const atMs = clock.nowMs();
      await pins.settle([{ root, outcome: { kind: "pinned", recursive, atMs, provides: false } }]);
      release.noteConfirmed(root);
    },

    async unpin(root: CID): Promise<void> {
      await pins.release(root, { source: "add", holder: "" }, clock.nowMs());
      await pins.settle([{ root, outcome: { kind: "unpinned" } }]);
    },

    sweep: () => release.run({ signal: new AbortController().signal }),

    async collect(deletes = true): Promise<GarbageReport> {
      collector.start({ deletes });
      const report = await collector.ended();
      if (report === undefined) throw new Error("nothing ran");
      return report;
    },

    /** Which of these blocks the vault has. */
    async inVault(blocks: readonly Block[]): Promise<boolean[]> {
      return Promise.all(blocks.map(({ cid }) => store.has(cid)));
    },

    async [Symbol.asyncDispose](): Promise<void> {
      await Promise.all([collector.close(), release.close()]);
      await store[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export type Sweeps = Awaited<ReturnType<typeof openSweeps>>;
