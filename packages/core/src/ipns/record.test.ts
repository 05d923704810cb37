import { CID } from "multiformats/cid";
import { expect, test } from "vitest";
import { generateKey, seedOf } from "../../test/support/keys.ts";
import { dataOf, signedRecord, utf8 } from "../../test/support/raw-record.ts";
import { vector } from "../../test/support/vectors.ts";
import { contentPathOf, decodeRecord } from "./record.ts";

const KEY = generateKey("Ed25519", seedOf(5));
const pathOf = (Value: Uint8Array) => contentPathOf(decodeRecord(signedRecord(KEY, dataOf({ Value }))));

test("a record is decoded without being trusted: a broken signature, a foreign key and an expired one pass", () => {
  for (const letter of "FJLU") expect(decodeRecord(vector(letter)).data.length).toBeGreaterThan(0);
});

test("the parts are views of the given bytes", () => {
  const bytes = vector("A");
  const { value, data, signatureV2, validity } = decodeRecord(bytes);
  for (const view of [value, data, signatureV2]) expect(view.buffer).toBe(bytes.buffer);
  expect(signatureV2).toHaveLength(64);
  expect(Buffer.from(value).toString()).toBe("/ipfs/bafkqaddwgevxmmraojswg33smq");
  expect(validity).toBe("2125-01-01T00:00:00.000000000Z");
});

test.each([
  ["/ipfs/bafkqaaa", "/ipfs/bafkqaaa"],
  ["/ipfs/bafkqaaa/root2", "/ipfs/bafkqaaa/root2"],
  ["/ipns/docs.ipfs.tech", "/ipns/docs.ipfs.tech"],
  ["/ipfs/bafkqaaa/100%/ü", "/ipfs/bafkqaaa/100%/ü"],
  ["", "/ipfs/bafkqaaa"],
])("the value %j points to %s", (value, path) => {
  expect(pathOf(utf8(value))).toBe(path);
});

test("a binary CID of either version is a path", () => {
  for (const text of ["QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG", "bafkqaaa"]) {
    expect(pathOf(CID.parse(text).bytes)).toBe(`/ipfs/${text}`);
  }
});

test.each([
  ["a word", utf8("nonsense")],
  ["a slash", utf8("/")],
  ["a namespace without a root", utf8("/ipfs/")],
  ["a root that is empty", utf8("/ipfs//a")],
  ["another namespace", utf8("/ipld/bafkqaaa")],
  ["a host path", utf8("/etc/passwd")],
  ["bytes that are not UTF-8", Uint8Array.of(0x2f, 0x69, 0x70, 0x66, 0x73, 0x2f, 0xff)],
  ["a CID with bytes after it", Uint8Array.of(1, 0x55, 0, 0, 0)],
])("a value that is %s is no path, and says so", (_, value) => {
  expect(() => pathOf(value)).toThrow(expect.objectContaining({ code: "INVALID_PATH" }));
});
