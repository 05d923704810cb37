import { expect, it } from "vitest";
import { RouteMethods } from "./route-methods.ts";

it("knows the methods of literal, parametric and open-ended paths", () => {
  const methods = new RouteMethods();
  methods.add("/api/v0/routing/put", "POST");
  methods.add("/routing/v1/ipns/:name", ["GET", "HEAD"]);
  methods.add("/routing/v1/ipns/:name", "PUT");
  methods.add("/ipfs/*", ["GET", "HEAD"]);
  expect(methods.of("/api/v0/routing/put?arg=/x")).toEqual(["POST"]);
  expect(methods.of("/routing/v1/ipns/k51")).toEqual(["GET", "HEAD", "PUT"]);
  expect(methods.of("/routing/v1/ipns/")).toEqual([]);
  expect(methods.of("/routing/v1/ipns/k51/x")).toEqual([]);
  expect(methods.of("/ipfs/bafy/a/b")).toEqual(["GET", "HEAD"]);
  expect(methods.of("/api/v0/pin/rm")).toEqual([]);
  expect(methods.of("/ipfs/")).toEqual(["GET", "HEAD"]);
  expect(methods.of("")).toEqual([]);
});

it("takes a path with a slash behind it for another one, as the router does", () => {
  const methods = new RouteMethods();
  methods.add("/api/v0/version", ["GET", "POST"]);
  methods.add("/names/:name", "GET");
  methods.add("/", "GET");
  expect(methods.of("/api/v0/version/")).toEqual([]);
  expect(methods.of("/names/k51/")).toEqual([]);
  expect(methods.of("/")).toEqual(["GET"]);
});
