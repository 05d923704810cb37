import { createHash, randomBytes } from "node:crypto";
import { CID } from "multiformats/cid";
import * as raw from "multiformats/codecs/raw";
import { create as createDigest } from "multiformats/hashes/digest";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isBlockOf } from "../../src/content/block-hash.ts";
import type { BlockSource } from "../../src/content/block-source.ts";

export interface SourceUnderTest extends AsyncDisposable {
  readonly source: BlockSource;
  /** Gives a raw block of these bytes to somebody else whom the source can reach. */
  readonly giveToOther: (bytes: Uint8Array) => Promise<CID>;
}

/** What every `BlockSource` does. One network serves the whole suite; each case has blocks of its own. */
export function blockSourceContract(label: string, create: () => Promise<SourceUnderTest>): void {
  describe(`BlockSource contract: ${label}`, { timeout: 90_000 }, () => {
    let subject: SourceUnderTest;
    beforeAll(async () => {
      subject = await create();
    }, 120_000);
    afterAll(async () => {
      await subject[Symbol.asyncDispose]();
    });

    function retrieve(cid: CID, root?: CID, signal = AbortSignal.timeout(60_000)): Promise<Uint8Array> {
      return subject.source.retrieve(cid, { signal, ...(root === undefined ? {} : { root }) });
    }

    it("retrieves a block that somebody else has, and again", async () => {
      const bytes = randomBytes(10_000);
      const cid = await subject.giveToOther(bytes);
      expect(Buffer.from(await retrieve(cid)).equals(bytes)).toBe(true);
      expect(Buffer.from(await retrieve(cid)).equals(bytes)).toBe(true);
    });

    it("retrieves the blocks of one root, many at once", async () => {
      const all = Array.from({ length: 20 }, () => randomBytes(50_000));
      const cids = await Promise.all(all.map((bytes) => subject.giveToOther(bytes)));
      const got = await Promise.all(cids.map((cid) => retrieve(cid, cids[0])));
      for (const [index, bytes] of got.entries()) expect(isBlockOf(cids[index] as CID, bytes)).toBe(true);
    });

    it("retrieves one block for many callers, each with bytes of his own", async () => {
      const cid = await subject.giveToOther(randomBytes(5_000));
      const got = await Promise.all(Array.from({ length: 5 }, () => retrieve(cid)));
      for (const bytes of got) expect(isBlockOf(cid, bytes)).toBe(true);
      expect(new Set(got.map((bytes) => bytes.buffer)).size).toBe(5);
    });

    it("retrieves a block of 1 MiB and an empty one", async () => {
      for (const size of [1_048_576, 0]) {
        const cid = await subject.giveToOther(randomBytes(size));
        expect((await retrieve(cid)).byteLength).toBe(size);
      }
    });

    it("gives bytes whose buffer holds nothing else", async () => {
      const bytes = await retrieve(await subject.giveToOther(randomBytes(3_000)));
      expect(bytes.byteOffset).toBe(0);
      expect(bytes.buffer.byteLength).toBe(3_000);
    });

    it("fails with CONTENT_NOT_FOUND, before its time is up, when nobody has the block", async () => {
      const startedAtMs = performance.now();
      await expect(retrieve(unknownCid())).rejects.toMatchObject({ code: "CONTENT_NOT_FOUND" });
      expect(performance.now() - startedAtMs).toBeLessThan(30_000);
    });

    it("fails with the signal's reason when it aborts", async () => {
      const reason = new Error("the reader has gone");
      await expect(retrieve(unknownCid(), undefined, AbortSignal.abort(reason))).rejects.toBe(reason);
      const controller = new AbortController();
      const retrieving = retrieve(unknownCid(), undefined, controller.signal);
      controller.abort(reason);
      await expect(retrieving).rejects.toBe(reason);
    });
  });
}

/** A CID of bytes that nobody has. */
export function unknownCid(): CID {
  return CID.createV1(raw.code, createDigest(0x12, createHash("sha256").update(randomBytes(32)).digest()));
}
