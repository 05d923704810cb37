import { HoldfastError } from "@holdfast/core";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { CID } from "multiformats/cid";
import type { BlockStore } from "../../content/block-store.ts";
import { DagCheck } from "../../content/dag-check.ts";
import type { Vault } from "../../content/vault.ts";
import type { PinClaim, PinRequest, PinSource } from "../../pins/pin.ts";
import type { Pins } from "../../pins/pins.ts";
import { systemClock } from "../../telemetry/clock.ts";
import type { WritePolicy } from "../write-policy.ts";
import type { UploadLimits } from "./add-upload.ts";

export interface AddedContent {
  readonly roots: readonly CID[];
  /** Of the blocks that are new here. */
  readonly cids: readonly CID[];
  /** The roots are pins: whatever else is to be done for them is the queue's matter. */
  readonly isPinned: boolean;
}

/** What every route that takes content in needs. */
export interface WriteParts {
  /** Where all of it goes, pinned or not: a 200 means durable. */
  readonly vault: Pick<Vault, "begin" | "assertRoom" | "has" | "bytesMax">;
  readonly pins: Pick<Pins, "add">;
  readonly writePolicy: Pick<WritePolicy, "assertMayWrite">;
  /** Shared by all of these routes. Absent: the route has its own. */
  readonly slots?: UploadSlots;
  /** Told what is durable now, before the client is; must not throw or wait. */
  readonly onAdded?: (added: AddedContent) => void;
}

/** The parts while one write is under way: what it puts or finds in the vault stays there until it has ended. */
export type OpenWrite<Parts extends WriteParts> = Omit<Parts, "vault"> & { readonly vault: BlockStore };

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
/** A DAG of so many blocks is looked through while its client waits. */
const LOOKED_THROUGH_MAX = 256;

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

/** Answers one write, with the parts that are open for it; what it throws becomes the answer. */
export type AnswerWrite<Parts extends WriteParts> = (
  parts: OpenWrite<Parts>,
  limits: WriteLimits,
  request: FastifyRequest,
  reply: FastifyReply,
) => Promise<void>;

/** Makes the route of a command that takes content in: its answer is given behind the write door. */
export function writeRoute<Parts extends WriteParts>(path: string, answer: AnswerWrite<Parts>) {
  return (parts: Parts, limits: Partial<WriteLimits> = {}) => {
    const all = { ...DEFAULT_WRITE_LIMITS, ...limits };
    const enter = createWriteDoor(parts, all);
    return (app: FastifyInstance): void => {
      app.post(path, async (request, reply) => {
        await enter(request, (open) => answer(open, all, request, reply));
        return reply;
      });
    };
  };
}

/**
 * Runs a write when the policy, the vault and the slots admit it, all before the body is read. Whatever the write depends on
 * has to be committed when it settles.
 */
export function createWriteDoor<Parts extends WriteParts>(
  parts: Parts,
  limits: Pick<WriteLimits, "uploadsMax">,
) {
  const slots = parts.slots ?? new UploadSlots(limits);
  return async <T>(request: FastifyRequest, work: (parts: OpenWrite<Parts>) => Promise<T>): Promise<T> => {
    parts.writePolicy.assertMayWrite(request.headers.authorization);
    parts.vault.assertRoom(Number(request.headers["content-length"] ?? 0));
    return slots.use(async () => {
      using vault = parts.vault.begin();
      return await work({ ...parts, vault });
    });
  };
}

/** Pins these roots with all that is below them, all of which is in the vault. Committed when it settles. */
export async function pinRoots(
  parts: Pick<WriteParts, "pins">,
  roots: readonly CID[],
  pin: { readonly source: PinSource; readonly name?: string | undefined },
): Promise<void> {
  const claim = claimOf(pin);
  await parts.pins.add(roots.map((root) => ({ root, recursive: true, claim, isStored: true })));
}

/**
 * Pins these blocks, which are in the vault, with all that is below them, as far as that is. Where it is not, or is too much to be
 * looked through now, that is a wish: it is looked for behind, in turn with others. Committed when it settles.
 */
export async function pinBlocks(
  parts: Pick<OpenWrite<WriteParts>, "pins" | "vault">,
  cids: readonly CID[],
  pin: { readonly source: PinSource; readonly name?: string | undefined },
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  const check = new DagCheck({ vault: parts.vault }, { nodesMax: LOOKED_THROUGH_MAX });
  const requests: PinRequest[] = [];
  for (const root of cids) {
    const isStored = (await check.problemOf(root, { signal })) === undefined;
    const source = isStored ? pin.source : "pin-add";
    requests.push({ root, recursive: true, claim: claimOf({ ...pin, source }), isStored });
  }
  await parts.pins.add(requests);
}

function claimOf(pin: { readonly source: PinSource; readonly name?: string | undefined }): PinClaim {
  const name = pin.name === "" ? undefined : pin.name;
  return { source: pin.source, holder: "", name, createdAtMs: systemClock.nowMs() };
}
