import { createHash } from "node:crypto";
import { HoldfastError } from "@holdfast/core";
import type { Clock } from "../../telemetry/clock.ts";
import { bearerTokenOf } from "../bearer-token.ts";
import { type Rate, TokenBucket } from "../limits.ts";

export interface PinsTokensOptions {
  readonly tokens: readonly { readonly owner: string; readonly token: string }[];
  /** Of what each owner changes; undefined: any. */
  readonly writes: Rate | undefined;
}

interface Owner {
  readonly name: string;
  readonly writes: TokenBucket | undefined;
}

/** Who may use the Pinning Service API, and how much of it. */
export class PinsTokens {
  readonly #clock: Clock;
  /** By the hash of the token: how long a look takes tells nothing about any token. */
  readonly #owners: ReadonlyMap<string, Owner>;

  constructor(clock: Clock, { tokens, writes }: PinsTokensOptions) {
    this.#clock = clock;
    const byName = new Map<string, Owner>();
    for (const { owner } of tokens) {
      const bucket = writes && new TokenBucket(writes, clock.nowMs());
      if (!byName.has(owner)) byName.set(owner, { name: owner, writes: bucket });
    }
    this.#owners = new Map(
      tokens.flatMap(({ owner, token }) => {
        const found = byName.get(owner);
        return found === undefined ? [] : [[hashOf(token), found] as const];
      }),
    );
  }

  /** @param authorization the header. @throws HoldfastError `UNAUTHORIZED`. */
  ownerOf(authorization: string | undefined): string {
    return this.#find(authorization).name;
  }

  /** As {@link ownerOf}, for a request that changes something: one out of its rate. @throws HoldfastError `RATE_LIMITED`, too. */
  writerOf(authorization: string | undefined): string {
    const { name, writes } = this.#find(authorization);
    const nowMs = this.#clock.nowMs();
    if (writes !== undefined && !writes.take(nowMs)) {
      const retryAfterS = Math.max(1, Math.ceil(writes.waitS(nowMs)));
      throw new HoldfastError(
        "RATE_LIMITED",
        `too many changes with this token; try again in ${retryAfterS} s`,
        {
          details: { retryAfterS },
        },
      );
    }
    return name;
  }

  #find(authorization: string | undefined): Owner {
    const token = bearerTokenOf(authorization);
    if (token === undefined) throw new HoldfastError("UNAUTHORIZED", "a bearer token is required");
    const owner = this.#owners.get(hashOf(token));
    if (owner === undefined) throw new HoldfastError("UNAUTHORIZED", "this bearer token is not known");
    return owner;
  }
}

function hashOf(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
