import type { Lane } from "../../../records/keep-alive/propagations.ts";

/** How lanes are written; the place in the list is the number in the table, so it is only ever appended to. */
const LANES: readonly Lane[] = ["new", "retry", "kept"];

export function numberOfLane(lane: Lane): number {
  return LANES.indexOf(lane);
}

export function laneOfNumber(number: number): Lane {
  return LANES[number] ?? "retry";
}

/**
 * Where a name stands in a spread, in [0, 1): from the last bytes of its key or of that key's hash, which are as good as random, so
 * that the writer needs no chance of its own.
 */
export function fractionOf(name: Uint8Array): number {
  const high = name.at(-1) ?? 0;
  const low = name.at(-2) ?? 0;
  return (high * 256 + low) / 65_536;
}
