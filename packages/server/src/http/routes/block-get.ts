import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { sendJsonLine } from "../json-line.ts";
import { readBlocks, type ReadOptions, type ReadParts } from "./block-read.ts";
import { cidArg } from "./dag-arg.ts";

/**
 * `GET`, `POST /api/v0/block/get`: the bytes of one block, never as something that a browser renders.
 * `POST /api/v0/block/stat`: its size.
 *
 * @see protocols.md §0 "block/get", §2.3
 */
export function blockReadRoutes(parts: ReadParts, options: ReadOptions = {}) {
  const read = async (request: FastifyRequest, reply: FastifyReply) => {
    const cid = cidArg(request, "cid");
    using reading = readBlocks(parts, options, request, reply);
    return { cid, bytes: await reading.get(cid) };
  };
  return (app: FastifyInstance): void => {
    app.route({
      method: ["GET", "POST"],
      url: "/api/v0/block/get",
      handler: async (request, reply) => {
        const { bytes } = await read(request, reply);
        reply.headers({
          "Content-Type": "application/vnd.ipld.raw",
          // Made from the CID, like everything under /ipfs: it never changes.
          "Cache-Control": "public, max-age=29030400, immutable",
          "X-Content-Type-Options": "nosniff",
          "X-Stream-Output": "1",
        });
        return reply.send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
      },
    });
    app.post("/api/v0/block/stat", async (request, reply) => {
      const { cid, bytes } = await read(request, reply);
      reply.header("Cache-Control", "no-store");
      return sendJsonLine(reply, { Key: cid.toString(), Size: bytes.byteLength });
    });
  };
}
