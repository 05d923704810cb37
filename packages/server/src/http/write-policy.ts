import { createHash, timingSafeEqual } from "node:crypto";
import { HoldfastError } from "@holdfast/core";
import { bearerTokenOf } from "./bearer-token.ts";

export type WritePolicyKind = "open" | "token" | "closed";

/** Who may write. One for all routes that take something in. */
export class WritePolicy {
  readonly kind: WritePolicyKind;
  readonly #tokenHashes: readonly Buffer[];

  /** @param options.tokens the bearer tokens of the `token` policy; none of them means that nobody may write. */
  constructor(options: { readonly kind: WritePolicyKind; readonly tokens?: readonly string[] }) {
    this.kind = options.kind;
    this.#tokenHashes = (options.tokens ?? []).map(hashOf);
  }

  /**
   * Passes a request that may write. To be called before its body is read.
   *
   * @param authorization the `Authorization` header.
   * @throws HoldfastError `WRITES_CLOSED`, `UNAUTHORIZED`.
   */
  assertMayWrite(authorization: string | undefined): void {
    if (this.kind === "open") return;
    if (this.kind === "closed") throw new HoldfastError("WRITES_CLOSED", "this node takes no writes");
    const token = bearerTokenOf(authorization);
    if (token === undefined) throw new HoldfastError("UNAUTHORIZED", "a bearer token is required to write");
    if (!this.#isKnown(token)) throw new HoldfastError("UNAUTHORIZED", "this bearer token is not known");
  }

  /**
   * Who writes, for what is to be told apart by who wrote it; of a request that may write.
   *
   * @returns undefined when anybody may: then nobody can be told apart.
   */
  writerOf(authorization: string | undefined): string | undefined {
    const token = this.kind === "token" ? bearerTokenOf(authorization) : undefined;
    return token && `token-${hashOf(token).toString("hex").slice(0, 16)}`;
  }

  /** Hashes have one length, and all of them are compared: the time taken tells nothing about any token. */
  #isKnown(token: string): boolean {
    const hash = hashOf(token);
    let known = false;
    for (const candidate of this.#tokenHashes) {
      if (timingSafeEqual(candidate, hash)) known = true;
    }
    return known;
  }
}

function hashOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
