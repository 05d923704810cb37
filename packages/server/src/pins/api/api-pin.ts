import type { CID } from "multiformats/cid";
import type { Pin } from "../pin.ts";

/**
 * What a client of the Pinning Service API wants to be kept: its `Pin` object, as it was checked.
 *
 * @see https://ipfs.github.io/pinning-services-api-spec/
 */
export interface ApiPinOrder {
  readonly root: CID;
  /** Of the root, as the client wrote it. */
  readonly cid: string;
  /** Never empty. */
  readonly name: string | undefined;
  /** Multiaddrs of peers that have the content. */
  readonly origins: readonly string[];
  readonly meta: Readonly<Record<string, string>>;
}

/**
 * An order that was taken. As long as it exists it holds a claim on its root, of the source `pins-api`, whose holder is
 * {@link apiPinHolder}; both are committed together.
 */
export interface ApiPin extends Omit<ApiPinOrder, "root"> {
  /** The `requestid`. */
  readonly id: string;
  /** Differs from that of every other one of its owner, and rises with each. */
  readonly createdAtMs: number;
  /** What became of it: shared by all who want the same root. */
  readonly pin: Pin;
}

/** `open`: neither pinned nor given up. */
export type ApiPinState = "open" | "pinned" | "failed";

export function apiPinStateOf({ state }: Pick<Pin, "state">): ApiPinState {
  if (state === "pinned" || state === "provided") return "pinned";
  return state === "dead" ? "failed" : "open";
}

/** Of the claim of one order. All of an owner take turns in the queue together. */
export function apiPinHolder(owner: string, id: string): string {
  return `${owner} ${id}`;
}

export type NameMatch = "exact" | "iexact" | "partial" | "ipartial";

/** What names are compared by when case does not count. */
export function foldedName(name: string): string {
  return name.toLowerCase();
}
