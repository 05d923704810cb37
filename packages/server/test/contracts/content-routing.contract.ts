import { randomBytes } from "node:crypto";
import type { CID } from "multiformats/cid";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ContentRouting, RoutedPeer } from "../../src/content/content-routing.ts";
import { rawCidOf } from "../support/raw-cid.ts";
import { unknownCid } from "./block-source.contract.ts";
import { until } from "../support/until.ts";

export interface RoutingUnderTest extends AsyncDisposable {
  readonly routing: ContentRouting;
  /** Our own peer id, as others find it. */
  readonly selfId: string;
  /** Makes us hold a raw block, for what announces nothing else. Default: what is announced need not be held. */
  readonly hold?: (bytes: Uint8Array) => Promise<void>;
  /** Somebody else on the same network. */
  readonly other: {
    readonly peerId: string;
    /** Adds these bytes as a raw block and announces it. */
    provide(bytes: Uint8Array): Promise<CID>;
    /** Peer ids of those who announced the block. */
    findProviders(cid: CID): Promise<readonly string[]>;
  };
}

/** Valid, and of nobody on a test network. */
const UNKNOWN_PEER = "12D3KooWSzRuSFHgLsKr6jJboAPdP7xMga2YBgBspYuErxswcgvt";

/** For calls of which an answer is expected. */
const PATIENCE_MS = 60_000;

/** What every `ContentRouting` does. One network serves the whole suite. */
export function contentRoutingContract(label: string, create: () => Promise<RoutingUnderTest>): void {
  describe(`ContentRouting contract: ${label}`, { timeout: 90_000 }, () => {
    let subject: RoutingUnderTest;
    beforeAll(async () => {
      subject = await create();
    }, 120_000);
    afterAll(async () => {
      await subject[Symbol.asyncDispose]();
    });

    async function providers(
      cid: CID,
      limit = 20,
      signal = AbortSignal.timeout(PATIENCE_MS),
    ): Promise<RoutedPeer[]> {
      const found: RoutedPeer[] = [];
      for await (const peer of subject.routing.findProviders(cid, { limit, signal })) found.push(peer);
      return found;
    }

    it("finds a provider once, with addresses that do not repeat its id", async () => {
      const cid = await subject.other.provide(randomBytes(1_000));
      const [found] = await until(async () => {
        const all = await providers(cid);
        expect(all.map((p) => p.id)).toEqual([subject.other.peerId]);
        return all;
      }, PATIENCE_MS);
      expect(found?.addrs.length).toBeGreaterThan(0);
      for (const addr of found?.addrs ?? []) expect(addr).toMatch(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+(\/ws)?$/);
    });

    it("yields nothing for a block that nobody announced", async () => {
      expect(await providers(unknownCid())).toEqual([]);
    });

    it("stops at the limit", async () => {
      const bytes = randomBytes(1_000);
      const cid = await subject.other.provide(bytes);
      await subject.hold?.(bytes);
      await subject.routing.provide(cid, { signal: AbortSignal.timeout(PATIENCE_MS) });
      await until(async () => {
        expect(await providers(cid)).toHaveLength(2);
      }, PATIENCE_MS);
      expect(await providers(cid, 1)).toHaveLength(1);
    });

    it("ends quietly when the signal aborts", async () => {
      expect(await providers(unknownCid(), 20, AbortSignal.abort())).toEqual([]);
    });

    it("announces a block so that others find us", async () => {
      const bytes = randomBytes(1_000);
      const cid = rawCidOf(bytes);
      await subject.hold?.(bytes);
      await subject.routing.provide(cid, { signal: AbortSignal.timeout(PATIENCE_MS) });
      await until(async () => {
        expect(await subject.other.findProviders(cid)).toContain(subject.selfId);
      }, PATIENCE_MS);
    });

    it("finds the addresses of a peer", async () => {
      const found = await subject.routing.findPeer(subject.other.peerId, {
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      expect(found?.id).toBe(subject.other.peerId);
      expect(found?.addrs.length).toBeGreaterThan(0);
    });

    it("says undefined for a peer that nobody knows", async () => {
      expect(
        await subject.routing.findPeer(UNKNOWN_PEER, { signal: AbortSignal.timeout(PATIENCE_MS) }),
      ).toBeUndefined();
    });
  });
}
