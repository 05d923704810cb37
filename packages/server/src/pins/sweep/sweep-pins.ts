import type { Pin, PinState } from "../pin.ts";
import type { PinStore } from "../pin-store.ts";
import type { DagGap, SweepMarks } from "./sweep-marks.ts";

const PAGE_PINS = 50;

/**
 * The pins of these states, or of all, page by page; others may be added, changed and released meanwhile. One that changes its
 * state is seen for certain only where all are asked for.
 */
export async function* pinsIn(
  pins: Pick<PinStore, "list">,
  states: readonly PinState[] | "all",
  signal: AbortSignal,
): AsyncGenerator<Pin> {
  for (const state of states === "all" ? [undefined] : states) {
    let after: number | undefined;
    do {
      signal.throwIfAborted();
      const page = pins.list({ state, limit: PAGE_PINS, after });
      yield* page.pins;
      after = page.next;
      // A page costs a millisecond: let the others have their turn.
      await new Promise<void>((resolve) => setImmediate(resolve));
    } while (after !== undefined);
  }
}

/** Marks what the pins of these states, or of all, need. @returns up to `gapsMax` gaps; none when all their DAGs are complete. */
export async function markPins(
  pins: Pick<PinStore, "list">,
  states: readonly PinState[] | "all",
  marks: SweepMarks,
  options: { readonly signal: AbortSignal; readonly gapsMax: number; readonly onPin?: (pin: Pin) => void },
): Promise<readonly DagGap[]> {
  const gaps: DagGap[] = [];
  for await (const pin of pinsIn(pins, states, options.signal)) {
    const gap = await marks.mark(pin);
    if (gap !== undefined && gaps.length < options.gapsMax) gaps.push(gap);
    options.onPin?.(pin);
  }
  return gaps;
}
