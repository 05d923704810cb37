import { isIP } from "node:net";
import { HoldfastError } from "@holdfast/core";
import type { FastifyInstance, FastifyRequest } from "fastify";

const LOCAL_HOSTS: ReadonlySet<string> = new Set(["127.0.0.1", "localhost", "[::1]"]);

/**
 * Keeps web pages that the operator happens to visit away from the admin listener, by Kubo's rules: an `Origin` or `Referer`
 * has to be a local one, and a browser that names neither may not change anything. Nor may it read by a domain name: a page can
 * have its own domain point here (DNS rebinding) and withhold its `Referer`.
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
  if (!isBrowser || origin !== undefined || referer !== undefined) return true;
  const isReading = request.method === "GET" || request.method === "HEAD";
  return isReading && !isDomain(request.hostname);
}

/** What anybody could own: not an address, and not a name of one label, which public DNS does not resolve. */
function isDomain(hostname: string): boolean {
  return isIP(hostname.replace(/^\[|\]$/g, "")) === 0 && hostname.replace(/\.$/, "").includes(".");
}

function isLocal(url: string): boolean {
  return URL.canParse(url) && LOCAL_HOSTS.has(new URL(url).hostname);
}
