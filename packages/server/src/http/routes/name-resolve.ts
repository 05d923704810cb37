import { contentPathOf, HoldfastError, parseIpnsName } from "@holdfast/core";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Records } from "../../records/records.ts";
import { sendJsonLine } from "../json-line.ts";
import { closeSignal, mayAskFirst, queryFlag, requiredArg } from "../request-facts.ts";

export interface NameResolveParts {
  readonly records: Pick<Records, "resolve" | "resolvePath">;
}

/** `GET`, `POST /api/v0/name/resolve`: `{Path}`; follows names that point to names unless `recursive=false`. */
export function nameResolveRoute(parts: NameResolveParts) {
  return (app: FastifyInstance): void => {
    app.route({
      method: ["GET", "POST"],
      url: "/api/v0/name/resolve",
      handler: async (request, reply) => {
        const path = await resolve(parts, request, closeSignal(reply.raw));
        return sendJsonLine(reply.header("Cache-Control", "no-cache"), { Path: path });
      },
    });
  };
}

async function resolve(
  { records }: NameResolveParts,
  request: FastifyRequest,
  signal: AbortSignal,
): Promise<string> {
  const path = pathOf(requiredArg(request, "name"));
  const isRecursive = queryFlag(request, "recursive", true);
  const askFirst = queryFlag(request, "nocache", false) && mayAskFirst(request);
  const options = { signal, ask: askFirst ? "first" : "if-absent" } as const;
  if (isRecursive) return (await records.resolvePath(path, options)).path;
  const [, root = "", rest = ""] = /^\/ipns\/([^/]+)(\/.*)?$/s.exec(path) ?? [];
  const { stored } = await records.resolve(parseIpnsName(root), options);
  return contentPathOf(stored.record) + rest;
}

/** A bare name, `/ipns/…` or `ipns://…`. */
function pathOf(arg: string): string {
  const path = arg.startsWith("ipns://") ? `/ipns/${arg.slice("ipns://".length)}` : arg;
  if (path.startsWith("/ipfs/"))
    throw new HoldfastError("INVALID_PATH", "not an IPNS name: it is an /ipfs/ path");
  return path.startsWith("/") ? path : `/ipns/${path}`;
}
