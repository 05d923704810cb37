import { HoldfastError } from "@holdfast/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { CID } from "multiformats/cid";
import type { BlockReader } from "../../gateway/block-reader.ts";
import { Retrieval } from "../../gateway/retrieval.ts";
import { queryFlag } from "../request-facts.ts";

export interface ReadParts {
  readonly blocks: BlockReader;
}

export interface ReadOptions {
  /** Without a block for so long the reading is given up. */
  readonly retrievalTimeoutMs?: number;
}

const RETRIEVAL_TIMEOUT_MS = 30_000;

/** The reading done for one request of Kubo's RPC: with `offline` only from here, and it ends when the client leaves. */
export function readBlocks(
  parts: ReadParts,
  options: ReadOptions,
  request: FastifyRequest,
  reply: FastifyReply,
): RpcReading {
  const isOffline = queryFlag(request, "offline", false);
  const timeoutMs = options.retrievalTimeoutMs ?? RETRIEVAL_TIMEOUT_MS;
  const retrieval = new Retrieval(parts.blocks, { timeoutMs, onlyHeld: false });
  reply.raw.once("close", () => retrieval.stop(new Error("the client has left")));
  return new RpcReading(retrieval, isOffline ? parts.blocks : undefined);
}

class RpcReading implements Disposable {
  readonly #retrieval: Retrieval;
  /** Asked first, when the network must not be. */
  readonly #onlyIn: Pick<BlockReader, "isHeld"> | undefined;

  constructor(retrieval: Retrieval, onlyIn: Pick<BlockReader, "isHeld"> | undefined) {
    this.#retrieval = retrieval;
    this.#onlyIn = onlyIn;
  }

  /** Blocks read from now on belong to this DAG. */
  set root(cid: CID) {
    this.#retrieval.root = cid;
  }

  /** @throws HoldfastError `CONTENT_NOT_FOUND`, `UPSTREAM_TIMEOUT`, …, as {@link Retrieval.get}. */
  async get(cid: CID): Promise<Uint8Array> {
    if (this.#onlyIn === undefined || (await this.#onlyIn.isHeld(cid))) return this.#retrieval.get(cid);
    throw new HoldfastError(
      "CONTENT_NOT_FOUND",
      `block was not found locally (offline): ipld: could not find ${cid.toString()}`,
    );
  }

  [Symbol.dispose](): void {
    this.#retrieval[Symbol.dispose]();
  }
}
