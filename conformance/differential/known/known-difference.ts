import type { Difference } from "../compare.ts";
import { isBroken } from "../compare.ts";
import type { Exchange, GatewayRequest } from "../send.ts";

/** Both answers to one request. */
export interface Compared {
  readonly request: GatewayRequest;
  readonly kubo: Exchange;
  readonly ours: Exchange;
  /** Asked a second time, when it may come from a cache; what differs has a kind that begins with `again:`. */
  readonly oursAgain: Exchange;
  /** The text of Kubo's error; of the same request as GET when it was a HEAD. Empty when it was none. */
  readonly kuboError: string;
  readonly oursError: string;
  /** From the question to our second answer. */
  readonly tookS: number;
}

/** A difference that is kept. */
export interface KnownDifference {
  readonly name: string;
  readonly reason: string;
  /** The specification or contract that allows it. */
  readonly permittedBy: string;
  explains(difference: Difference, compared: Compared): boolean;
}

export function headerOf({ headers }: GatewayRequest, name: string): string | undefined {
  return headers.find(([one]) => one.toLowerCase() === name)?.[1];
}

export function parameterOf({ query }: GatewayRequest, name: string): string | undefined {
  return query.find(([one]) => one === name)?.[1];
}

export function hasStatuses(
  { kubo, ours }: Compared,
  kuboStatuses: readonly number[],
  oursStatuses: readonly number[],
): boolean {
  return kuboStatuses.includes(kubo.status) && oursStatuses.includes(ours.status);
}

export function isCar({ headers }: Exchange): boolean {
  return headers["content-type"]?.startsWith("application/vnd.ipld.car") === true;
}

export { isBroken };

/** Decoded as often as it takes, so that only the spelling is gone. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    // Kubo writes percent signs that escape nothing.
    return text;
  }
}
