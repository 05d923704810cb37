import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { exportDag } from "../../content/dag-export.ts";
import { sendChunks } from "./dag-answer.ts";
import { cidArg } from "./dag-arg.ts";
import { readBlocks, type ReadOptions, type ReadParts } from "./block-read.ts";

/**
 * `GET`, `POST /api/v0/dag/export`: the DAG as a CAR of version 1. A block that cannot be had, or read, after the first one
 * breaks the transfer: what ends cleanly is complete.
 *
 * @see protocols.md §2.3
 */
export function dagExportRoute(parts: ReadParts, options: ReadOptions = {}) {
  return (app: FastifyInstance): void => {
    app.route({
      method: ["GET", "POST"],
      url: "/api/v0/dag/export",
      handler: async (request, reply) => {
        await answer(parts, options, request, reply);
        return reply;
      },
    });
  };
}

async function answer(
  parts: ReadParts,
  options: ReadOptions,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const root = cidArg(request, "root");
  using reading = readBlocks(parts, options, request, reply);
  reading.root = root;
  const chunks = exportDag(root, (cid) => reading.get(cid));
  await sendChunks(reply, chunks, {
    "Content-Type": "application/vnd.ipld.car",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "X-Stream-Output": "1",
  });
}
