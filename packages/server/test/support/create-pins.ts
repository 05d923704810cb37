import type { CID } from "multiformats/cid";
import { onTestFinished } from "vitest";
import { MemoryPinStore } from "../../src/adapters/memory/pin-store.ts";
import type { PinRequest, PinSource } from "../../src/pins/pin.ts";
import { Pins, type PinsOptions, type PinsParts } from "../../src/pins/pins.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { blockOf } from "./blocks.ts";
import { ManualClock } from "./manual-clock.ts";
import { ScriptedPinner } from "./scripted-pinner.ts";

export const PINS_OPTIONS: PinsOptions = {
  pinsMax: 10,
  pinQuietMs: 5_000,
  pinsSlowMax: 16,
  pinsPerSecondMax: 100,
  pinStallMs: 120_000,
  pinBytesMax: undefined,
  pinRetry: { restMs: 30_000, restMsMax: 21_600_000, fullRestMsMax: 600_000, attemptsMax: 12 },
  providesMax: 4,
  provideTimeoutMs: 60_000,
  provideRetry: { restMs: 60_000, restMsMax: 3_600_000, fullRestMsMax: 3_600_000, attemptsMax: 3 },
  unpinsMax: 2,
  unpinTimeoutMs: 60_000,
  queuedMax: 1_000_000,
  waitersMax: 100,
  auditIntervalMs: 3_600_000,
  lookIntervalMs: 5_000,
  auditRetryMs: 60_000,
};

export interface TestPins {
  readonly pins: Pins;
  readonly store: MemoryPinStore;
  readonly pinner: ScriptedPinner;
  readonly clock: ManualClock;
  readonly metrics: Metrics;
}

/** The real room over a store in memory and a scripted backend, with time that the test moves. Not started. */
export function createPins(
  settings: { readonly parts?: Partial<PinsParts>; readonly options?: Partial<PinsOptions> } = {},
): TestPins {
  const store = new MemoryPinStore();
  const pinner = new ScriptedPinner();
  const clock = new ManualClock(1_790_000_000_000);
  const metrics = new Metrics();
  const parts: PinsParts = {
    store,
    pinner,
    isBackendUp: () => !pinner.isAway,
    clock,
    timers: clock,
    random: () => 0.5,
    logger: createLogger("silent"),
    metrics,
    ...settings.parts,
  };
  const pins = new Pins(parts, { ...PINS_OPTIONS, ...settings.options });
  onTestFinished(() => pins[Symbol.asyncDispose]());
  return { pins, store, pinner, clock, metrics };
}

export function requestOf(
  root: CID | string,
  fields: Partial<Omit<PinRequest, "root">> & {
    readonly source?: PinSource;
    readonly holder?: string;
    readonly name?: string;
    readonly createdAtMs?: number;
  } = {},
): PinRequest {
  const { source = "add", holder = "", name, createdAtMs = 1000, ...rest } = fields;
  return {
    root: typeof root === "string" ? blockOf(root).cid : root,
    recursive: true,
    claim: { source, holder, name, createdAtMs },
    isStored: false,
    ...rest,
  };
}
