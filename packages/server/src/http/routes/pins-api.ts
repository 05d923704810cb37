import { HoldfastError } from "@holdfast/core";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { ApiPins, ApiPinView } from "../../pins/api/api-pins.ts";
import { sendJsonLine } from "../json-line.ts";
import { parsePinOrder } from "../pins/pins-body.ts";
import { parsePinsFilter } from "../pins/pins-query.ts";
import type { PinsTokens } from "../pins/pins-tokens.ts";
import { ByteBudget, readRawBody } from "../raw-body.ts";
import { closeSignal } from "../request-facts.ts";
import type { WritePolicy } from "../write-policy.ts";

export interface PinsApiParts {
  readonly apiPins: Pick<ApiPins, "add" | "replace" | "remove" | "get" | "list">;
  readonly tokens: Pick<PinsTokens, "ownerOf" | "writerOf">;
  readonly writePolicy: Pick<WritePolicy, "kind">;
  /** Multiaddrs of the peer that fetches what is to be pinned: 1 to 20. */
  readonly delegates: () => readonly string[];
}

const BODY_BYTES_MAX = 64 * 1024;
const BODIES_BYTES_MAX = 64 * BODY_BYTES_MAX;
/** A body without a byte for so long is given up. */
const STALL_MS_MAX = 10_000;

/**
 * The IPFS Pinning Service API 1.0: `GET`, `POST /pins` and `GET`, `POST`, `DELETE /pins/{requestid}`. 202 means that the wish, or
 * its end, is durable. Every error, also of what is no route below `/pins`, is `{"error":{"reason","details"}}`.
 *
 * @see https://ipfs.github.io/pinning-services-api-spec/
 */
export function pinsApiRoutes(parts: PinsApiParts) {
  const { apiPins, tokens } = parts;
  const budget = new ByteBudget({ bytesMax: BODIES_BYTES_MAX });
  const orderOf = async (request: FastifyRequest) => {
    assertIsJson(request);
    const limits = { bytesMax: BODY_BYTES_MAX, stallMsMax: STALL_MS_MAX, budget };
    using body = await readRawBody(request.raw, limits);
    return parsePinOrder(body.bytes);
  };
  const writerOf = ({ headers }: FastifyRequest): string => {
    const owner = tokens.writerOf(headers.authorization);
    if (parts.writePolicy.kind !== "closed") return owner;
    throw new HoldfastError("WRITES_CLOSED", "this node takes no writes");
  };
  const send = (
    reply: FastifyReply,
    status: number,
    value: Readonly<Record<string, unknown>>,
  ): FastifyReply => sendJsonLine(reply.code(status).header("Cache-Control", "no-store"), value);
  return (app: FastifyInstance): void => {
    app.get("/pins", async (request, reply) => {
      const owner = tokens.ownerOf(request.headers.authorization);
      const filter = parsePinsFilter(request);
      const { count, views } = await apiPins.list(owner, filter, { signal: closeSignal(reply.raw) });
      const delegates = parts.delegates();
      return send(reply, 200, { count, results: views.map((view) => formOf(view, delegates)) });
    });
    app.post("/pins", async (request, reply) => {
      const owner = writerOf(request);
      const view = await apiPins.add(owner, await orderOf(request));
      return send(reply, 202, formOf(view, parts.delegates()));
    });
    app.get("/pins/:requestid", (request, reply) => {
      const view = apiPins.get(tokens.ownerOf(request.headers.authorization), idOf(request));
      void send(reply, 200, formOf(view, parts.delegates()));
    });
    app.post("/pins/:requestid", async (request, reply) => {
      const owner = writerOf(request);
      const view = await apiPins.replace(owner, idOf(request), await orderOf(request));
      return send(reply, 202, formOf(view, parts.delegates()));
    });
    app.delete("/pins/:requestid", async (request, reply) => {
      await apiPins.remove(writerOf(request), idOf(request));
      return reply.code(202).header("Cache-Control", "no-store").send();
    });
  };
}

function idOf(request: FastifyRequest): string {
  return (request.params as { readonly requestid: string }).requestid;
}

/** A body that says nothing of itself is taken for what it has to be. */
function assertIsJson({ headers }: FastifyRequest): void {
  const [type = ""] = (headers["content-type"] ?? "").split(";");
  if (!["", "application/json"].includes(type.trim().toLowerCase())) {
    throw new HoldfastError("BODY_UNSUPPORTED", "the Content-Type of the body has to be application/json");
  }
}

function formOf(
  { apiPin, status, details }: ApiPinView,
  delegates: readonly string[],
): Readonly<Record<string, unknown>> {
  const { id, createdAtMs, cid, name, origins, meta } = apiPin;
  return {
    requestid: id,
    status,
    created: new Date(createdAtMs).toISOString(),
    pin: {
      cid,
      ...(name === undefined ? {} : { name }),
      ...(origins.length === 0 ? {} : { origins }),
      ...(Object.keys(meta).length === 0 ? {} : { meta }),
    },
    delegates,
    ...(details === undefined ? {} : { info: { status_details: details } }),
  };
}
