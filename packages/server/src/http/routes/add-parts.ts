import { HoldfastError } from "@holdfast/core";
import type { FastifyRequest } from "fastify";
import type { CID } from "multiformats/cid";
import type { BlockStore } from "../../content/block-store.ts";
import type { PinnedRoots, PinSource } from "../../content/pinned-roots.ts";
import { systemClock } from "../../telemetry/clock.ts";
import type { WritePolicy } from "../write-policy.ts";
import type { UploadLimits } from "./add-upload.ts";

/** What every route that takes content in needs. */
export interface WriteParts {
  /** Where all of it goes, pinned or not: a 200 means durable. */
  readonly vault: BlockStore;
  readonly pinnedRoots: Pick<PinnedRoots, "add">;
  readonly writePolicy: Pick<WritePolicy, "assertMayWrite">;
  /** Shared by all of these routes. Absent: the route has its own. */
  readonly slots?: UploadSlots;
  /** Told what is durable now, before the client is; must not throw or wait. */
  readonly onAdded?: (added: { readonly roots: readonly CID[]; readonly cids: readonly CID[] }) => void;
}

export interface WriteLimits extends UploadLimits {
  /** Uploads at once; one more is refused with 503. */
  readonly uploadsMax: number;
}

export const DEFAULT_WRITE_LIMITS: WriteLimits = {
  contentBytesMax: 1024 * 1024 * 1024,
  entriesMax: 20_000,
  stallMsMax: 30_000,
  uploadsMax: 32,
};

const RETRY_AFTER_S = 2;

/** Bounds the uploads that a node reads at once: each holds some MiB, and they share one disk. */
export class UploadSlots {
  readonly #max: number;
  #used = 0;

  constructor({ uploadsMax }: { readonly uploadsMax: number }) {
    this.#max = uploadsMax;
  }

  /** @throws HoldfastError `OVERLOADED` when all are taken; whatever `work` throws. */
  async use<T>(work: () => Promise<T>): Promise<T> {
    if (this.#used >= this.#max) {
      const details = { retryAfterS: RETRY_AFTER_S };
      throw new HoldfastError("OVERLOADED", "too many uploads at once", { details });
    }
    this.#used++;
    try {
      return await work();
    } finally {
      this.#used--;
    }
  }
}

/** Runs a write when the policy and the slots admit it, both before the body is read. */
export function createWriteDoor(parts: WriteParts, limits: Pick<WriteLimits, "uploadsMax">) {
  const slots = parts.slots ?? new UploadSlots(limits);
  return async <T>(request: FastifyRequest, work: () => Promise<T>): Promise<T> => {
    parts.writePolicy.assertMayWrite(request.headers.authorization);
    return slots.use(work);
  };
}

/** Pins these roots with all that is below them. */
export async function pinRoots(
  parts: Pick<WriteParts, "pinnedRoots">,
  roots: readonly CID[],
  pin: { readonly source: PinSource; readonly name?: string | undefined },
): Promise<void> {
  const { source, name } = pin;
  const pinnedAtMs = systemClock.nowMs();
  await parts.pinnedRoots.add(
    roots.map((root) => ({
      root,
      recursive: true,
      name: name === "" ? undefined : name,
      source,
      pinnedAtMs,
    })),
  );
}
