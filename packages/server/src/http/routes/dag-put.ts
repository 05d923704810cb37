import { HoldfastError } from "@holdfast/core";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Block } from "../../content/block-store.ts";
import { pinNameOf } from "../../content/add-options.ts";
import { createBlock, hashCodeOf } from "../../content/dag-block.ts";
import { blockBytesMaxOf, blockTooLarge } from "../../content/dag-block-limits.ts";
import { codecCodeOf, transcode } from "../../content/dag-codecs.ts";
import { closeSignal, queryFlag, queryText } from "../request-facts.ts";
import {
  createWriteDoor,
  DEFAULT_WRITE_LIMITS,
  type OpenWrite,
  pinBlocks,
  type WriteLimits,
  type WriteParts,
} from "./add-parts.ts";
import { Upload } from "./add-upload.ts";
import { BlockUpload, readPart } from "./block-upload.ts";
import { sendJsonLines } from "./dag-answer.ts";

interface PutOptions {
  readonly inputCode: number;
  readonly storeCode: number;
  readonly hashCode: number;
  readonly blockBytesMax: number;
}

/**
 * `POST /api/v0/dag/put`: each part, whatever its name, is read with `input-codec` and stored with `store-codec`, under the CID
 * that Kubo gives. 200 only when all of them are durable, and pins if `pin` asks for that: what they
 * link to and is not here is looked for behind.
 *
 * @see protocols.md §2.3
 */
export function dagPutRoute(parts: WriteParts, limits: Partial<WriteLimits> = {}) {
  const all = { ...DEFAULT_WRITE_LIMITS, ...limits };
  const enter = createWriteDoor(parts, all);
  return (app: FastifyInstance): void => {
    app.post("/api/v0/dag/put", async (request, reply) => {
      await enter(request, (open) => answer(open, all, request, reply));
      return reply;
    });
  };
}

async function answer(
  parts: OpenWrite<WriteParts>,
  limits: WriteLimits,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const options = putOptionsOf(request);
  const pins = queryFlag(request, "pin", false);
  const name = pinNameOf(queryText(request, "pin-name") ?? null);
  const upload = new Upload(request.raw, limits, "object data");
  const blocks = new BlockUpload(parts);
  try {
    for await (const part of upload.files()) {
      await blocks.add(blockOf(await readPart(part, options.blockBytesMax), options));
    }
    await blocks.finish();
  } catch (err) {
    upload.fail(new Error("the put has failed"));
    throw err;
  }
  const signal = closeSignal(reply.raw);
  if (pins) await pinBlocks(parts, blocks.cids, { source: "dag-put", name }, { signal });
  parts.onAdded?.({ roots: blocks.cids, cids: blocks.cids, isPinned: pins });
  sendJsonLines(
    reply,
    blocks.cids.map((cid) => ({ Cid: { "/": cid.toString() } })),
  );
}

function putOptionsOf(request: FastifyRequest): PutOptions {
  return {
    inputCode: codecCodeOf(queryText(request, "input-codec") ?? "dag-json"),
    storeCode: codecCodeOf(queryText(request, "store-codec") ?? "dag-cbor"),
    hashCode: hashCodeOf(queryText(request, "hash") ?? "sha2-256"),
    blockBytesMax: blockBytesMaxOf({ allowBigBlock: queryFlag(request, "allow-big-block", false) }),
  };
}

function blockOf(bytes: Uint8Array, options: PutOptions): Block {
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
