import type { CID } from "multiformats/cid";
import { expect } from "vitest";
import type { AddApiPin, ApiPinLimits, ApiPinsQuery, ApiPinStore } from "../../src/pins/api/api-pin-store.ts";
import type { ApiPin, ApiPinOrder } from "../../src/pins/api/api-pin.ts";
import type { PinOutcome } from "../../src/pins/pin-row.ts";
import type { PinStore } from "../../src/pins/pin-store.ts";
import { blockOf } from "../support/blocks.ts";

export interface OpenedApiPinStore {
  readonly store: ApiPinStore;
  /** Where the claims are. */
  readonly pins: PinStore;
  /** Opens both again on the same state, as after a restart. */
  readonly reopen: () => Promise<Pick<OpenedApiPinStore, "store" | "pins">>;
  readonly survivesRestart: boolean;
  readonly dispose?: () => Promise<void>;
}

export const RULES = { storedIsPinned: false, provides: false };
const LIMITS: ApiPinLimits = { perOwnerMax: 100, perOwnerAndRootMax: 10 };
export const NOW_MS = 1_790_000_000_000;

export const rootOf = (text: string): CID => blockOf(text).cid;
const signal = new AbortController().signal;

export function orderOf(text: string, fields: Partial<ApiPinOrder> = {}): ApiPinOrder {
  const root = rootOf(text);
  return { root, cid: root.toString(), name: undefined, origins: [], meta: {}, ...fields };
}

export function addOf(id: string, order: ApiPinOrder, fields: Partial<AddApiPin> = {}): AddApiPin {
  return { owner: "a", id, order, nowMs: NOW_MS, limits: LIMITS, rules: RULES, ...fields };
}

export const pinned: PinOutcome = { kind: "pinned", recursive: true, atMs: NOW_MS + 5, provides: false };
export const dead: PinOutcome = { kind: "dead", attempts: 3, problem: "nobody has it" };

export const settle = (pins: PinStore, text: string, outcome: PinOutcome): Promise<readonly boolean[]> =>
  pins.settle([{ root: rootOf(text), outcome }]);

export const textsOf = (roots: readonly CID[]): string[] => roots.map((root) => root.toString());

export const facts = (pin: ApiPin | undefined): unknown =>
  pin && { ...pin, pin: { root: pin.pin.root.toString(), state: pin.pin.state, attempts: pin.pin.attempts } };

export const released = (...texts: string[]): object => ({
  outcome: "done",
  released: texts.map((text) => expect.toSatisfy((root: CID) => root.equals(rootOf(text))) as unknown),
});

export const holdersOf = (pins: PinStore, text: string): string[] =>
  pins.claims(rootOf(text)).map(({ holder }) => holder);

export const idsOf = async (
  store: ApiPinStore,
  query: Partial<ApiPinsQuery> = {},
): Promise<[number, ...string[]]> => {
  const states = ["open", "pinned", "failed"] as const;
  const { count, pins } = await store.list({ owner: "a", states, limit: 100, ...query }, { signal });
  return [count, ...pins.map(({ id }) => id)];
};
