import type { FastifyReply, FastifyRequest } from "fastify";
import type { CID } from "multiformats/cid";
import { pinNameOf } from "../../content/add-options.ts";
import type { Block } from "../../content/block-store.ts";
import { blockBytesMaxOf } from "../../content/dag-block-limits.ts";
import type { PinSource } from "../../pins/pin.ts";
import { closeSignal, queryFlag, queryText } from "../request-facts.ts";
import { type OpenWrite, pinBlocks, type WriteLimits, type WriteParts } from "./add-parts.ts";
import { Upload } from "./add-upload.ts";
import { BlockUpload, readPart } from "./block-upload.ts";

/** What a command that puts single blocks makes of its request. */
export interface BlockCommand {
  readonly source: PinSource;
  /** What the command calls its files. */
  readonly argument: string;
  /** The block that a part stands for. @throws HoldfastError `INVALID_ARGUMENT`, `BODY_TOO_LARGE`. */
  blockOf(bytes: Uint8Array<ArrayBuffer>, blockBytesMax: number): Block;
}

export interface PutBlock {
  readonly cid: CID;
  readonly blockBytes: number;
}

/**
 * Stores one block for each part of the body, whatever the part's name, and pins them if the query's `pin` asks for that.
 *
 * @returns them in their order, when all of that is durable.
 * @throws HoldfastError `INVALID_ARGUMENT`, `BODY_TOO_LARGE`, `STORE_FAILED`; whatever the command throws.
 */
export async function putBlocks(
  parts: OpenWrite<WriteParts>,
  limits: WriteLimits,
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
  command: BlockCommand,
): Promise<readonly PutBlock[]> {
  const pins = queryFlag(request, "pin", false);
  const name = pinNameOf(queryText(request, "pin-name") ?? null);
  const blockBytesMax = blockBytesMaxOf({ allowBigBlock: queryFlag(request, "allow-big-block", false) });
  const upload = new Upload(request.raw, limits, command.argument);
  const blocks = new BlockUpload(parts);
  const put: PutBlock[] = [];
  try {
    for await (const part of upload.files()) {
      const block = command.blockOf(await readPart(part, blockBytesMax), blockBytesMax);
      put.push({ cid: block.cid, blockBytes: block.bytes.byteLength });
      await blocks.add(block);
    }
    await blocks.finish();
  } catch (err) {
    upload.fail(new Error("the put has failed"));
    throw err;
  }
  const cids = put.map(({ cid }) => cid);
  const signal = closeSignal(reply.raw);
  if (pins) await pinBlocks(parts, cids, { source: command.source, name }, { signal });
  parts.onAdded?.({ roots: cids, cids, isPinned: pins });
  return put;
}
