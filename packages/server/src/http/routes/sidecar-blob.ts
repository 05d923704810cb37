import { HoldfastError, parseCid } from "@holdfast/core";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { CID } from "multiformats/cid";
import type { Metrics } from "../../telemetry/metrics.ts";
import { queryText } from "../request-facts.ts";

export interface SidecarBlobParts {
  readonly held: { getHeld(cid: CID): Promise<Uint8Array | undefined> };
  readonly metrics: Pick<Metrics, "sidecar">;
}

/**
 * `GET`, `HEAD`, `POST /sidecar/blob?cid=` (or `arg=`): the bytes of a block that is held here, under any codec's CID (R24).
 * Otherwise 404 at once: no source is asked, for clients wait half a second and go on to another node.
 *
 * @see protocols.md §0 "sidecar/blob"
 */
export function sidecarBlobRoute({ held, metrics }: SidecarBlobParts) {
  const answer = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const text = (queryText(request, "cid") ?? queryText(request, "arg") ?? "").trim();
    if (text === "") throw new HoldfastError("INVALID_ARGUMENT", 'the parameter "cid" is required');
    const bytes = await held.getHeld(parseCid(text));
    if (bytes === undefined) {
      metrics.sidecar.blobMisses++;
      throw new HoldfastError("CONTENT_NOT_FOUND", "the block is not held here");
    }
    metrics.sidecar.blobHits++;
    reply.headers({
      "Content-Type": "application/octet-stream",
      "Cache-Control": "public, max-age=29030400, immutable",
      "X-Content-Type-Options": "nosniff",
      "X-Sidecar-Cache": "hit",
    });
    return reply.send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  };
  return (app: FastifyInstance): void => {
    app.route({ method: ["GET", "HEAD", "POST"], url: "/sidecar/blob", handler: answer });
  };
}
