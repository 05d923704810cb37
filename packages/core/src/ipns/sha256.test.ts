import fc from "fast-check";
import { expect, test } from "vitest";
import { nodeSha256 } from "../../test/support/keys.ts";
import { sha256 } from "./sha256.ts";

test("the hash is the same as that of node:crypto, at every length around the block size", () => {
  for (let length = 0; length <= 200; length++) {
    const message = Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 0xff);
    expect(sha256(message)).toEqual(nodeSha256(message));
  }
});

test("the hash is the same as that of node:crypto for any message", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2_000 }), (message) => {
      expect(sha256(message)).toEqual(nodeSha256(message));
    }),
    { seed: 20_261_126 },
  );
});
