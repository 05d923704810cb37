import type { ServerResponse } from "node:http";
import type { FastifyReply, FastifyRequest } from "fastify";
import { type AddedEntry, addFiles } from "../../content/add-files.ts";
import { parseAddOptions } from "../../content/add-options.ts";
import { type OpenWrite, pinRoots, writeRoute, type WriteParts } from "./add-parts.ts";
import { Upload, type UploadLimits } from "./add-upload.ts";

/**
 * `POST /api/v0/add`: 200 only when every block is durable, with the CIDs that Kubo gives. With `progress` the answer begins
 * while the upload streams in; it is broken off when something fails then, and the CIDs still come only at the end.
 */
export const addRoutes = writeRoute<WriteParts>("/api/v0/add", answerAdd);

async function answerAdd(
  parts: OpenWrite<WriteParts>,
  limits: UploadLimits,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const options = parseAddOptions(new URLSearchParams(request.raw.url?.split("?").slice(1).join("?")));
  const upload = new Upload(request.raw, limits, "path");
  reply.header("Content-Type", "application/json").header("Cache-Control", "no-store");
  reply.header("X-Chunked-Output", "1");
  try {
    const lines = new ProgressLines(reply);
    const added = await addFiles(upload.entries(), parts.vault, options, (path, readBytes) => {
      lines.write({ Name: path, Bytes: readBytes });
    });
    if (!options.onlyHash) {
      if (options.pin) await pinRoots(parts, added.roots, { source: "add", name: options.pinName });
      parts.onAdded?.({ ...added, isPinned: options.pin });
    }
    // As bytes: to text the framework would add a charset to the type.
    const body = Buffer.from(added.entries.map(lineOf).join(""));
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
