import { HoldfastError, isHoldfastError, parseCid } from "@holdfast/core";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { CID } from "multiformats/cid";
import { IDENTITY_CODE } from "../../content/block-hash.ts";
import type { BlockStore } from "../../content/block-store.ts";
import type { PinnedRoots } from "../../content/pinned-roots.ts";
import { sendJsonLine } from "../json-line.ts";
import { queryText } from "../request-facts.ts";

export interface PinStatusParts {
  readonly pinnedRoots: Pick<PinnedRoots, "get">;
  readonly vault: Pick<BlockStore, "has">;
}

/**
 * `GET /pin-status?cid=`: 200 with `{pinned,cid}`, and `pinned_at` (ISO 8601) and `source` for a root that is pinned from
 * whatever source and whose block is still in the vault (R31). 400 `{error}` for what is no CID. Reads two keys.
 */
export function pinStatusRoute(parts: PinStatusParts) {
  return (app: FastifyInstance): void => {
    app.get("/pin-status", async (request, reply) => {
      reply.header("Cache-Control", "no-store");
      const text = (queryText(request, "cid") ?? "").trim();
      const cid = cidOrRefusal(text);
      if (cid instanceof HoldfastError) return sendRefusal(cid, request, reply);
      const pin = parts.pinnedRoots.get(cid);
      const isPinned = pin !== undefined && (await isKept(parts, cid));
      return sendJsonLine(reply, {
        pinned: isPinned,
        cid: text,
        ...(isPinned ? { pinned_at: new Date(pin.pinnedAtMs).toISOString(), source: pin.source } : {}),
      });
    });
  };
}

async function isKept({ vault }: Pick<PinStatusParts, "vault">, cid: CID): Promise<boolean> {
  return cid.multihash.code === IDENTITY_CODE || vault.has(cid);
}

function cidOrRefusal(text: string): CID | HoldfastError {
  if (text === "") return new HoldfastError("INVALID_ARGUMENT", "Missing cid parameter");
  try {
    return parseCid(text);
  } catch (err) {
    if (isHoldfastError(err)) return err;
    throw err;
  }
}

function sendRefusal(err: HoldfastError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendJsonLine(reply.code(400).header("X-Request-Id", request.id), { error: err.message });
}
