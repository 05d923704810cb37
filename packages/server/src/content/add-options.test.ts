import { expect, test } from "vitest";
import { parseAddOptions } from "./add-options.ts";

const parse = (query: string) => parseAddOptions(new URLSearchParams(query));

test("the defaults are those of Kubo's RPC", () => {
  expect(parse("")).toEqual({
    cidVersion: 0,
    rawLeaves: false,
    chunkBytes: 262_144,
    wrapWithDirectory: false,
    onlyHash: false,
    progress: false,
    pin: true,
    pinName: undefined,
  });
});

test("raw leaves follow the CID version unless they are chosen", () => {
  expect(parse("cid-version=1").rawLeaves).toBe(true);
  expect(parse("cid-version=1&raw-leaves=false").rawLeaves).toBe(false);
  expect(parse("raw-leaves=true").rawLeaves).toBe(true);
});

test("booleans are Go's, and an empty one means true", () => {
  for (const yes of ["", "1", "t", "T", "TRUE", "true", "True"])
    expect(parse(`only-hash=${yes}`).onlyHash).toBe(true);
  for (const no of ["0", "f", "F", "FALSE", "false", "False"])
    expect(parse(`only-hash=${no}`).onlyHash).toBe(false);
});

test("pins are made unless they are not wanted, and may have a name of 255 bytes", () => {
  expect(parse("pin=false&pin-name=x")).toMatchObject({ pin: false, pinName: "x" });
  expect(parse(`pin-name=${"n".repeat(255)}`).pinName).toHaveLength(255);
  expect(() => parse(`pin-name=${"n".repeat(256)}`)).toThrow(/255 bytes/);
});

test("unknown options and stream-channels are ignored", () => {
  expect(parse("pin=true&stream-channels=true&whatever=1&trickle=false")).toEqual(parse(""));
});

test.for([
  "only-hash=yes",
  "cid-version=2",
  "cid-version=",
  "hash=blake3",
  "chunker=rabin",
  "chunker=rabin-512-1024-2048",
  "chunker=buzhash",
  "chunker=size-0",
  "chunker=size--1",
  "chunker=size-1e3",
  "chunker=size-2096897",
  "chunker=size-99999999999999999999",
  "trickle=true",
  "trickle",
  "inline=true",
  "nocopy=1",
  "preserve-mode=true",
  "mtime=12",
  "to-files=/x",
])("%s is refused clearly", (query) => {
  expect(() => parse(query)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});

test("the largest and the smallest chunk are accepted", () => {
  expect(parse("chunker=size-2096896").chunkBytes).toBe(2_096_896);
  expect(parse("chunker=size-1").chunkBytes).toBe(1);
});
