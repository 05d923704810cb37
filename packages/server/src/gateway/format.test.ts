import { expect, test } from "vitest";
import { selectFormat } from "./format.ts";

const select = (query: string, accept?: string) => selectFormat(new URLSearchParams(query), accept);

test.for([
  ["", undefined, "default"],
  ["", "text/html,application/xhtml+xml,*/*;q=0.8", "default"],
  ["", "application/json", "default"],
  ["format=raw", undefined, "raw"],
  ["format=raw", "application/vnd.ipld.car", "raw"],
  ["format=unheardof", undefined, "default"],
  ["format=constructor", undefined, "default"],
  ["", "application/vnd.ipld.raw", "raw"],
  ["", "text/html, application/vnd.ipld.raw;q=0.1", "raw"],
  ["", "APPLICATION/VND.IPLD.RAW", "raw"],
] as const)("?%s with Accept %s is %s", ([query, accept, format]) => {
  expect(select(query, accept)).toBe(format);
});

test("a format that is known but not made here is 406, whichever way it is asked for", () => {
  for (const format of ["car", "tar", "dag-json", "dag-cbor", "json", "cbor", "ipns-record"]) {
    expect(() => select(`format=${format}`)).toThrow(expect.objectContaining({ code: "NOT_ACCEPTABLE" }));
  }
  expect(() => select("", "application/vnd.ipld.car; version=1")).toThrow(
    expect.objectContaining({ code: "NOT_ACCEPTABLE" }),
  );
});

test("an unknown application/vnd type is the client's mistake", () => {
  expect(() => select("", "application/vnd.ipfs.nonsense")).toThrow(
    expect.objectContaining({ code: "INVALID_ARGUMENT" }),
  );
});
