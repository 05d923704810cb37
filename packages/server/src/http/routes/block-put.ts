import { HoldfastError } from "@holdfast/core";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { pinNameOf } from "../../content/add-options.ts";
import { createBlock, hashCodeOf } from "../../content/dag-block.ts";
import { blockBytesMaxOf } from "../../content/dag-block-limits.ts";
import { codecCodeOf } from "../../content/dag-codecs.ts";
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

type BlockForm = Parameters<typeof createBlock>[1];

/**
 * `POST /api/v0/block/put`: each part, whatever its name, is a block. 200 only when all of them are durable, and pinned if
 * `pin` asks for that.
 *
 * @see protocols.md §2.3
 */
export function blockPutRoute(parts: WriteParts, limits: Partial<WriteLimits> = {}) {
  const all = { ...DEFAULT_WRITE_LIMITS, ...limits };
  const enter = createWriteDoor(parts, all);
  return (app: FastifyInstance): void => {
    app.post("/api/v0/block/put", async (request, reply) => {
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
  const form = blockFormOf(request);
  const pins = queryFlag(request, "pin", false);
  const name = pinNameOf(queryText(request, "pin-name") ?? null);
  const blockBytesMax = blockBytesMaxOf({ allowBigBlock: queryFlag(request, "allow-big-block", false) });
  const upload = new Upload(request.raw, limits, "data");
  const blocks = new BlockUpload(parts);
  const lines: { Key: string; Size: number }[] = [];
  try {
    for await (const part of upload.files()) {
      const block = createBlock(await readPart(part, blockBytesMax), form);
      lines.push({ Key: block.cid.toString(), Size: block.bytes.byteLength });
      await blocks.add(block);
    }
    await blocks.finish();
  } catch (err) {
    upload.fail(new Error("the put has failed"));
    throw err;
  }
  const signal = closeSignal(reply.raw);
  if (pins) await pinBlocks(parts, blocks.cids, { source: "block-put", name }, { signal });
  parts.onAdded?.({ roots: blocks.cids, cids: blocks.cids, isPinned: pins });
  sendJsonLines(reply, lines);
}

/** Names of before there was `cid-codec`. */
const LEGACY_CODECS: ReadonlyMap<string, string> = new Map([
  ["v0", "dag-pb"],
  ["protobuf", "dag-pb"],
  ["cbor", "dag-cbor"],
]);

function blockFormOf(request: FastifyRequest): BlockForm {
  const format = queryText(request, "format") ?? "";
  const codec = queryText(request, "cid-codec") ?? "";
  if (format !== "" && codec !== "" && codec !== "raw") {
    throw invalid('unable to use "format" (deprecated) and a custom "cid-codec" at the same time');
  }
  const text = format === "" ? codec || "raw" : (LEGACY_CODECS.get(format) ?? format);
  const version = format === "v0" ? 0 : 1;
  const hash = queryText(request, "mhtype") ?? "sha2-256";
  if (version === 0 && hash !== "sha2-256") throw invalid("only sha2-256 is allowed with CIDv0");
  const form: BlockForm = { version, codecCode: codecCodeOf(text), hashCode: hashCodeOf(hash) };
  assertFullLength(queryText(request, "mhlen"), form);
  return form;
}

/** A digest that was cut cannot be checked against: it would be easy to find other bytes for it. */
function assertFullLength(text: string | undefined, form: BlockForm): void {
  if (text === undefined || text === "-1") return;
  const fullLength = createBlock(new Uint8Array(), form).cid.multihash.size;
  if (text === String(fullLength)) return;
  if (!/^[+-]?\d+$/.test(text)) {
    throw invalid(
      `could not convert value ${JSON.stringify(text.slice(0, 50))} to type "int" (for option "-mhlen")`,
    );
  }
  throw invalid(`mhlen is not offered, except -1 or ${fullLength}`);
}

function invalid(message: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message);
}
