import { HoldfastError, isHoldfastError } from "@holdfast/core";
import { decodeTxtAnswer, DnsMessageError, encodeTxtQuestion } from "./dns-message.ts";
import type { TxtLookup } from "./txt-lookup.ts";

const MEDIA_TYPE = "application/dns-message";
/** No DNS message is longer. */
const ANSWER_BYTES_MAX = 65_535;

/** Asks a server over HTTPS, which keeps the TTL. @see https://www.rfc-editor.org/rfc/rfc8484 */
export class DnsOverHttps implements TxtLookup {
  readonly #url: string;
  readonly #timeoutMs: number;

  /** @param options.url the server's, without a query. */
  constructor(options: { readonly url: string; readonly timeoutMs: number }) {
    this.#url = options.url;
    this.#timeoutMs = options.timeoutMs;
  }

  async lookUp(
    name: string,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<{ readonly texts: readonly string[]; readonly ttlMs: number | undefined }> {
    try {
      const question = Buffer.from(encodeTxtQuestion(name)).toString("base64url");
      const { texts, ttlS } = decodeTxtAnswer(await this.#ask(question, signal));
      return { texts, ttlMs: ttlS === undefined ? undefined : ttlS * 1000 };
    } catch (err) {
      if (signal.aborted) throw signal.reason;
      if (isHoldfastError(err)) throw err;
      if (err instanceof Error && err.name === "TimeoutError")
        throw new HoldfastError("UPSTREAM_TIMEOUT", "DNS is silent", { cause: err });
      const why = err instanceof DnsMessageError ? err.message : "the DNS server cannot be reached";
      throw new HoldfastError("BACKEND_UNAVAILABLE", `DNS failed: ${why}`, { cause: err });
    }
  }

  async #ask(question: string, signal: AbortSignal): Promise<Uint8Array> {
    const response = await fetch(`${this.#url}?dns=${question}`, {
      headers: { accept: MEDIA_TYPE },
      redirect: "error",
      signal: AbortSignal.any([signal, AbortSignal.timeout(this.#timeoutMs)]),
    });
    const type = response.headers.get("content-type") ?? "";
    if (response.status !== 200 || type.split(";", 1)[0]?.trim() !== MEDIA_TYPE) {
      await response.body?.cancel();
      throw new HoldfastError("BACKEND_UNAVAILABLE", `DNS failed: HTTP status ${response.status}`);
    }
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of response.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes > ANSWER_BYTES_MAX) throw new DnsMessageError("the answer is too long");
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }
}
