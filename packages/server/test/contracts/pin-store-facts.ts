import { CID } from "multiformats/cid";
import type { PinOutcome, PinStep } from "../../src/pins/pin-row.ts";
import type { PinStore, PinTotal } from "../../src/pins/pin-store.ts";
import type { Pin } from "../../src/pins/pin.ts";
import { blockOf } from "../support/blocks.ts";

export interface OpenedPinStore {
  readonly store: PinStore;
  /** Opens it again on the same state, as after a restart. */
  readonly reopen: () => Promise<PinStore>;
  readonly survivesRestart: boolean;
  readonly dispose?: () => Promise<void>;
}

export const RULES = { storedIsPinned: false, provides: true };
export const VAULT_RULES = { storedIsPinned: true, provides: false };

export const rootOf = (text: string): CID => blockOf(text).cid;

export const pinned = (atMs: number, recursive = true): PinOutcome => ({
  kind: "pinned",
  recursive,
  atMs,
  provides: true,
});

export const facts = (pin: Pin | undefined): unknown => pin && { ...pin, root: pin.root.toString() };

/** Comparable, whatever the order. */
export function totalsOf(store: PinStore): Record<string, readonly [number, number]> {
  const keyOf = ({ source, state }: PinTotal): string => `${source} ${state}`;
  return Object.fromEntries(store.totals().map((one) => [keyOf(one), [one.pins, one.blockBytes]]));
}

export function rootsOf(
  store: PinStore,
  options: Omit<Parameters<PinStore["list"]>[0], "limit"> = {},
): string[] {
  const found: string[] = [];
  let after: number | undefined;
  do {
    const page = store.list({ ...options, limit: 7, after });
    found.push(...page.pins.map(({ root }) => root.toString()));
    after = page.next;
  } while (after !== undefined);
  return found;
}

export function readyRoots(store: PinStore, step: PinStep, source: "nostr" | "add" = "nostr"): string[] {
  const pins = store.ready({ step, source, afterHolder: undefined, limit: 100 });
  return pins.map(({ root }) => root.toString());
}
