import { HoldfastError } from "@holdfast/core";
import type { FastifyInstance, FastifyRequest } from "fastify";

const LOCAL_HOSTS: ReadonlySet<string> = new Set(["127.0.0.1", "localhost", "[::1]"]);

/**
 * Keeps web pages that the operator happens to visit away from the admin listener, by Kubo's rules: an `Origin` or `Referer`
 * has to be a local one, and a browser that names neither may not change anything.
 *
 * @see protocols.md §2.1
 */
export function guardAdmin(app: FastifyInstance): void {
  app.addHook("onRequest", (request, _reply, done) => {
    done(mayCome(request) ? undefined : new HoldfastError("WRITES_CLOSED", "403 - Forbidden"));
  });
}

function mayCome(request: FastifyRequest): boolean {
  const { origin, referer, "user-agent": userAgent = "" } = request.headers;
  if (origin !== undefined && !isLocal(origin)) return false;
  if (referer !== undefined && !isLocal(referer)) return false;
  const isBrowser = userAgent.startsWith("Mozilla") && !userAgent.includes("Electron");
  const isReading = request.method === "GET" || request.method === "HEAD";
  return !isBrowser || isReading || origin !== undefined || referer !== undefined;
}

function isLocal(url: string): boolean {
  return URL.canParse(url) && LOCAL_HOSTS.has(new URL(url).hostname);
}
