import { HoldfastError, isHoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { Timers } from "../telemetry/clock.ts";
import { isBlockOf } from "./block-hash.ts";
import type { BlockSource } from "./block-source.ts";

/** Made once: an abort without a reason makes one with a stack, which costs more than the rest of the call. */
const OVER = new Error("another source gave the block, or nobody waits for it");

export interface RetrieveOptions {
  readonly root?: CID;
  readonly signal: AbortSignal;
  /** How long a source may be silent before the next one is asked as well. */
  readonly staggerMs: number;
  readonly timers: Timers;
  /** A source sent bytes that do not hash to the CID. */
  readonly onCorrupt: (source: BlockSource) => void;
}

/**
 * Asks the sources in their order, the next one as soon as one has failed or is silent for too long, and takes the first
 * answer that hashes to the CID. The others are told to stop. A source that lies is treated as one that failed.
 *
 * @throws HoldfastError `CONTENT_NOT_FOUND` when every source says so (or there is none), `UPSTREAM_TIMEOUT` when one gave
 *   up, otherwise `BACKEND_UNAVAILABLE`; the signal's reason when it aborts.
 */
export async function retrieveBlock(
  cid: CID,
  sources: readonly BlockSource[],
  options: RetrieveOptions,
): Promise<Uint8Array> {
  const { signal } = options;
  signal.throwIfAborted();
  const others = new AbortController();
  const ask = { ...options, signal: AbortSignal.any([signal, others.signal]) };
  try {
    return await new Promise<Uint8Array>((resolve, reject) => {
      const failures: unknown[] = [];
      let next = 0;
      let cancelTimer = (): void => {};
      const askNext = (): void => {
        cancelTimer();
        if (ask.signal.aborted) return;
        const source = sources[next++];
        if (source === undefined) return;
        if (next < sources.length) cancelTimer = options.timers.after(options.staggerMs, askNext);
        retrieveVerified(cid, source, ask).then(resolve, (err: unknown) => {
          failures.push(err);
          if (failures.length === sources.length) reject(failureOf(cid, failures));
          else askNext();
        });
      };
      others.signal.addEventListener("abort", () => cancelTimer(), { once: true });
      signal.addEventListener("abort", () => reject(signal.reason as Error), {
        once: true,
        signal: others.signal,
      });
      if (sources.length === 0) reject(failureOf(cid, failures));
      askNext();
    });
  } finally {
    others.abort(OVER);
  }
}

async function retrieveVerified(
  cid: CID,
  source: BlockSource,
  options: RetrieveOptions,
): Promise<Uint8Array> {
  const { root, signal } = options;
  const bytes = await source.retrieve(cid, root === undefined ? { signal } : { root, signal });
  if (isBlockOf(cid, bytes)) return bytes;
  options.onCorrupt(source);
  throw new HoldfastError("BACKEND_UNAVAILABLE", `${source.label} sent bytes that are not the block`);
}

function failureOf(cid: CID, failures: readonly unknown[]): HoldfastError {
  const codes = failures.map((err) => (isHoldfastError(err) ? err.code : undefined));
  if (codes.every((code) => code === "CONTENT_NOT_FOUND")) {
    return new HoldfastError("CONTENT_NOT_FOUND", `block ${cid.toString()} was not found`);
  }
  const code = codes.includes("UPSTREAM_TIMEOUT") ? "UPSTREAM_TIMEOUT" : "BACKEND_UNAVAILABLE";
  return new HoldfastError(code, `block ${cid.toString()} cannot be retrieved at the moment`, {
    cause: failures.length === 1 ? failures[0] : new AggregateError(failures),
  });
}
