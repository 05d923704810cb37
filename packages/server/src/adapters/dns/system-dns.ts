import { Resolver } from "node:dns/promises";
import { HoldfastError } from "@holdfast/core";
import { orAbort } from "../../records/or-abort.ts";
import type { TxtLookup } from "./txt-lookup.ts";

/** What the resolver says when there is nothing, which is an answer. */
const NOTHING: readonly string[] = ["ENOTFOUND", "ENODATA"];

/** Asks the DNS servers of the system. They tell the TTL, but the platform does not pass it on. */
export class SystemDns implements TxtLookup {
  readonly #timeoutMs: number;
  readonly #servers: readonly string[] | undefined;

  /** @param options.servers asked instead of the system's: `address:port` each. */
  constructor(options: { readonly timeoutMs: number; readonly servers?: readonly string[] }) {
    this.#timeoutMs = options.timeoutMs;
    this.#servers = options.servers;
  }

  async lookUp(
    name: string,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<{ readonly texts: readonly string[]; readonly ttlMs: undefined }> {
    // One for each question: cancelling ends all that a resolver was asked.
    const resolver = new Resolver({ timeout: Math.ceil(this.#timeoutMs / 2), tries: 2 });
    if (this.#servers !== undefined) resolver.setServers(this.#servers);
    try {
      const records = await orAbort(resolver.resolveTxt(name), signal);
      // The platform gives a character for each byte.
      const texts = records.map((strings) => Buffer.from(strings.join(""), "latin1").toString("utf8"));
      return { texts, ttlMs: undefined };
    } catch (err) {
      if (signal.aborted) resolver.cancel();
      if (signal.aborted || !(err instanceof Error)) throw err;
      const code = "code" in err ? String(err.code) : "";
      if (NOTHING.includes(code)) return { texts: [], ttlMs: undefined };
      if (code === "ETIMEOUT") throw new HoldfastError("UPSTREAM_TIMEOUT", "DNS is silent", { cause: err });
      throw new HoldfastError("BACKEND_UNAVAILABLE", `DNS failed: ${code}`, { cause: err });
    }
  }
}
