import { expect, test } from "vitest";
import { counted, humanBytes, shortCid } from "./human.ts";

test.for([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.0 kB"],
  [1234, "1.2 kB"],
  [99_940, "99.9 kB"],
  [99_960, "100 kB"],
  [999_499, "999 kB"],
  [999_500, "1.0 MB"],
  [1_500_000_000, "1.5 GB"],
  [Number.MAX_SAFE_INTEGER, "9.0 PB"],
] as const)("%i bytes are %s", ([bytes, text]) => {
  expect(humanBytes(bytes)).toBe(text);
});

test("counts and hashes are short", () => {
  expect([counted(1, "entry", "entries"), counted(12_345, "entry", "entries")]).toEqual([
    "1 entry",
    "12,345 entries",
  ]);
  expect(shortCid("bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi")).toBe("bafy…bzdi");
  expect(shortCid("bafkqaaa")).toBe("bafkqaaa");
});
