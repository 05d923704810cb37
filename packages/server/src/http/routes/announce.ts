import { EVENT_BYTES_MAX, HoldfastError } from "@holdfast/core";
import type { FastifyInstance } from "fastify";
import type { AnnouncementResult, Announcements } from "../../announce/announcements.ts";
import { sendJsonLine } from "../json-line.ts";
import { ByteBudget, readRawBody } from "../raw-body.ts";
import type { WritePolicy } from "../write-policy.ts";

export interface AnnounceRouteParts {
  readonly announcements: Pick<Announcements, "submit">;
  readonly writePolicy: Pick<WritePolicy, "kind">;
}

/** A body without a byte for so long is given up. */
const STALL_MS_MAX = 10_000;
const BODIES_BYTES_MAX = 64 * EVENT_BYTES_MAX;

/**
 * `POST /announce`: the body is a signed Nostr event, which is taken as if a relay had sent it. 202 when its pins and records are
 * durable, 200 when it was taken before. Its signature is its permission: the policy of authors decides, no token is asked for.
 */
export function announceRoute({ announcements, writePolicy }: AnnounceRouteParts) {
  const budget = new ByteBudget({ bytesMax: BODIES_BYTES_MAX });
  return (app: FastifyInstance): void => {
    app.post("/announce", async (request, reply) => {
      if (writePolicy.kind === "closed")
        throw new HoldfastError("WRITES_CLOSED", "this node takes no writes");
      const limits = { bytesMax: EVENT_BYTES_MAX, stallMsMax: STALL_MS_MAX, budget };
      using body = await readRawBody(request.raw, limits);
      const result = await announcements.submit(parseJson(body.bytes));
      void reply.code(result.outcome === "taken" ? 202 : 200).header("Cache-Control", "no-store");
      return sendJsonLine(reply, viewResult(result));
    });
  };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new HoldfastError("INVALID_ARGUMENT", "the body is not JSON", { cause });
  }
}

function viewResult({ id, outcome, cids, names, records, malformed }: AnnouncementResult) {
  return { id, outcome, cids, names, records, malformed };
}
