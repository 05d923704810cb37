import { HoldfastError } from "@holdfast/core";
import type { FastifyRequest } from "fastify";
import type { Block } from "../../content/block-store.ts";
import { createBlock, hashCodeOf } from "../../content/dag-block.ts";
import { blockTooLarge } from "../../content/dag-block-limits.ts";
import { codecCodeOf, transcode } from "../../content/dag-codecs.ts";
import { queryText } from "../request-facts.ts";
import { writeRoute, type WriteParts } from "./add-parts.ts";
import { sendJsonLines } from "./dag-answer.ts";
import { putBlocks } from "./put-blocks.ts";

interface PutOptions {
  readonly inputCode: number;
  readonly storeCode: number;
  readonly hashCode: number;
}

/**
 * `POST /api/v0/dag/put`: each part, whatever its name, is read with `input-codec` and stored with `store-codec`, under the CID
 * that Kubo gives. 200 only when all of them are durable, and pins if `pin` asks for that: what they
 * link to and is not here is looked for behind.
 *
 * @see protocols.md §2.3
 */
export const dagPutRoute = writeRoute<WriteParts>(
  "/api/v0/dag/put",
  async (parts, limits, request, reply) => {
    const options = putOptionsOf(request);
    const put = await putBlocks(
      parts,
      limits,
      { request, reply },
      {
        source: "dag-put",
        argument: "object data",
        blockOf: (bytes, blockBytesMax) => blockOf(bytes, { ...options, blockBytesMax }),
      },
    );
    sendJsonLines(
      reply,
      put.map(({ cid }) => ({ Cid: { "/": cid.toString() } })),
    );
  },
);

function putOptionsOf(request: FastifyRequest): PutOptions {
  return {
    inputCode: codecCodeOf(queryText(request, "input-codec") ?? "dag-json"),
    storeCode: codecCodeOf(queryText(request, "store-codec") ?? "dag-cbor"),
    hashCode: hashCodeOf(queryText(request, "hash") ?? "sha2-256"),
  };
}

function blockOf(bytes: Uint8Array, options: PutOptions & { readonly blockBytesMax: number }): Block {
  const { storeCode, hashCode, blockBytesMax } = options;
  let stored: Uint8Array;
  try {
    stored = transcode(bytes, options);
  } catch (err) {
    if (err instanceof HoldfastError) throw err;
    throw new HoldfastError("INVALID_ARGUMENT", "the data cannot be stored with this codec", { cause: err });
  }
  if (stored.byteLength > blockBytesMax) throw blockTooLarge(blockBytesMax);
  return createBlock(stored, { version: 1, codecCode: storeCode, hashCode });
}
