import fc from "fast-check";
import { CID } from "multiformats/cid";
import * as Digest from "multiformats/hashes/digest";
import { expect, test } from "vitest";
import { KeySet } from "./key-set.ts";

function cidOf(bytes: Uint8Array, codec = 0x55): CID {
  return CID.createV1(codec, Digest.create(0x12, bytes));
}

test("it holds exactly what was added, whatever the digests look like", () => {
  // Few distinct bytes: digests that share words, want the same slots, or are zeros alone.
  const digest = fc.uint8Array({ minLength: 0, maxLength: 20, max: 1 });
  fc.assert(
    fc.property(fc.array(digest, { maxLength: 2_000 }), fc.array(digest), (added, asked) => {
      const keys = new KeySet();
      const model = new Set<string>();
      const keyOf = (bytes: Uint8Array): string => {
        const words = Buffer.alloc(16);
        words.set(bytes.subarray(0, 16));
        // Nothing but zeros shares its place with a one at the end of the first word.
        return words.every((byte) => byte === 0) ? "01".padEnd(32, "0") : words.toString("hex");
      };
      for (const bytes of added) {
        expect(keys.add(cidOf(bytes))).toBe(!model.has(keyOf(bytes)));
        model.add(keyOf(bytes));
      }
      expect(keys.size).toBe(model.size);
      for (const bytes of [...added, ...asked]) expect(keys.has(cidOf(bytes))).toBe(model.has(keyOf(bytes)));
    }),
    { seed: 5, numRuns: 200 },
  );
});

test("it grows past its first size and loses nothing", () => {
  const keys = new KeySet();
  const cids = Array.from({ length: 50_000 }, (_, i) => {
    const bytes = Buffer.alloc(32);
    bytes.writeUInt32LE(i + 1);
    return cidOf(bytes);
  });
  expect(cids.every((cid) => keys.add(cid))).toBe(true);
  expect(keys.size).toBe(50_000);
  expect(cids.every((cid) => keys.has(cid))).toBe(true);
});

test("R24: the codec counts only where the links do", () => {
  const bytes = Buffer.alloc(32, 7);
  const [byBytes, byCodec] = [new KeySet(), new KeySet({ byCodec: true })];
  expect([byBytes.add(cidOf(bytes)), byBytes.add(cidOf(bytes, 0x70))]).toEqual([true, false]);
  expect([byCodec.add(cidOf(bytes)), byCodec.add(cidOf(bytes, 0x70))]).toEqual([true, true]);
});
