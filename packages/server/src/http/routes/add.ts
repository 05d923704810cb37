import type { ServerResponse } from "node:http";
import { HoldfastError } from "@holdfast/core";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type Added, type AddedEntry, addFiles } from "../../content/add-files.ts";
import { parseAddOptions } from "../../content/add-options.ts";
import type { BlockStore } from "../../content/block-store.ts";
import type { WritePolicy } from "../write-policy.ts";
import { Upload, type UploadLimits } from "./add-upload.ts";

export interface AddParts {
  /** Where everything that is added goes. */
  readonly vault: BlockStore;
  readonly writePolicy: Pick<WritePolicy, "assertMayWrite">;
  /** Told what is durable now, before the client is; must not throw or wait. */
  readonly onAdded?: (added: Pick<Added, "roots" | "cids">) => void;
}

export interface AddLimits extends UploadLimits {
  /** Uploads at once; one more is refused with 503. */
  readonly uploadsMax: number;
}

const DEFAULT_ADD_LIMITS: AddLimits = {
  contentBytesMax: 1024 * 1024 * 1024,
  entriesMax: 20_000,
  stallMsMax: 30_000,
  uploadsMax: 32,
};

const RETRY_AFTER_S = 2;

/**
 * `POST /api/v0/add`: 200 only when every block is durable, with the CIDs that Kubo gives. With `progress` the answer begins
 * while the upload streams in; it is broken off when something fails then, and the CIDs still come only at the end.
 */
export function addRoutes(parts: AddParts, limits: Partial<AddLimits> = {}) {
  const all = { ...DEFAULT_ADD_LIMITS, ...limits };
  let uploads = 0;
  return (app: FastifyInstance): void => {
    app.post("/api/v0/add", async (request, reply) => {
      parts.writePolicy.assertMayWrite(request.headers.authorization);
      if (uploads >= all.uploadsMax) {
        const details = { retryAfterS: RETRY_AFTER_S };
        throw new HoldfastError("OVERLOADED", "too many uploads at once", { details });
      }
      uploads++;
      try {
        await answerAdd(parts, all, request, reply);
      } finally {
        uploads--;
      }
      return reply;
    });
  };
}

async function answerAdd(
  parts: AddParts,
  limits: UploadLimits,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const options = parseAddOptions(new URLSearchParams(request.raw.url?.split("?").slice(1).join("?")));
  const upload = new Upload(request.raw, limits);
  reply.header("Content-Type", "application/json").header("Cache-Control", "no-store");
  reply.header("X-Chunked-Output", "1");
  try {
    const lines = new ProgressLines(reply);
    const added = await addFiles(upload.entries(), parts.vault, options, (path, readBytes) => {
      lines.write({ Name: path, Bytes: readBytes });
    });
    if (!options.onlyHash) parts.onAdded?.(added);
    const body = added.entries.map(lineOf).join("");
    if (reply.raw.headersSent) reply.raw.end(body);
    else reply.send(body);
  } catch (err) {
    upload.fail(new Error("the add has failed"));
    // What has begun with 200 must not end as if it had gone well (P8).
    if (!reply.raw.headersSent) throw err;
    reply.raw.destroy();
  }
}

/** Lines that are sent before the outcome is known. The first one sends the head. */
class ProgressLines {
  readonly #reply: FastifyReply;

  constructor(reply: FastifyReply) {
    this.#reply = reply;
  }

  write(line: Record<string, unknown>): void {
    const response: ServerResponse = this.#reply.raw;
    if (!response.headersSent) {
      this.#reply.hijack();
      for (const [name, value] of Object.entries(this.#reply.getHeaders())) {
        if (value !== undefined) response.setHeader(name, value);
      }
      response.writeHead(200);
    }
    response.write(`${JSON.stringify(line)}\n`);
  }
}

function lineOf({ path, cid, dagBytes }: AddedEntry): string {
  return `${JSON.stringify({ Name: path, Hash: cid.toString(), Size: dagBytes.toString() })}\n`;
}
