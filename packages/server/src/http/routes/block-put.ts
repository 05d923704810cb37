import { HoldfastError } from "@holdfast/core";
import type { FastifyRequest } from "fastify";
import { createBlock, hashCodeOf } from "../../content/dag-block.ts";
import { codecCodeOf } from "../../content/dag-codecs.ts";
import { queryText } from "../request-facts.ts";
import { writeRoute, type WriteParts } from "./add-parts.ts";
import { sendJsonLines } from "./dag-answer.ts";
import { putBlocks } from "./put-blocks.ts";

type BlockForm = Parameters<typeof createBlock>[1];

/**
 * `POST /api/v0/block/put`: each part, whatever its name, is a block. 200 only when all of them are durable, and pinned if
 * `pin` asks for that.
 *
 * @see protocols.md §2.3
 */
export const blockPutRoute = writeRoute<WriteParts>(
  "/api/v0/block/put",
  async (parts, limits, request, reply) => {
    const form = blockFormOf(request);
    const put = await putBlocks(
      parts,
      limits,
      { request, reply },
      {
        source: "block-put",
        argument: "data",
        blockOf: (bytes) => createBlock(bytes, form),
      },
    );
    sendJsonLines(
      reply,
      put.map(({ cid, blockBytes }) => ({ Key: cid.toString(), Size: blockBytes })),
    );
  },
);

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
