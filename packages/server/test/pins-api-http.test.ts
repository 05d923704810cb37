import { HoldfastError } from "@holdfast/core";
import fc from "fast-check";
import { CID } from "multiformats/cid";
import { describe, expect, test } from "vitest";
import { WritePolicy } from "../src/http/write-policy.ts";
import { blockOf, cidOf } from "./support/blocks.ts";
import { fails, hangs } from "./support/scripted-pinner.ts";
import { rawConnection } from "./support/start-http.ts";
import {
  ALL,
  type Answer,
  failure,
  idOf,
  resultsOf,
  startPinsApi,
  TOKEN_A,
  TOKEN_B,
  untilStatus,
} from "./support/start-pins-api.ts";
import { until } from "./support/until.ts";

const cid = (text: string): string => blockOf(text).cid.toString();
const PEER = "/ip4/93.184.216.34/tcp/4001/p2p/12D3KooWJNGGHBzL4VMiSyD5ptkxjWJLvbe5q8UXsQKKkbm8pBoh";

function isFailure({ body }: Answer): boolean {
  const { reason, details } = (body["error"] ?? {}) as Readonly<Record<string, unknown>>;
  return typeof reason === "string" && /^[A-Z_]+$/.test(reason) && typeof details === "string";
}

describe("a pin", () => {
  test("comes back with all that the client said of it, in its own spelling of the CID", async () => {
    await using node = await startPinsApi();
    const v0 = cidOf(Buffer.from("v0"), 0x70).toV0().toString();
    const pin = {
      cid: v0,
      name: "  Größe 💾  ",
      origins: [PEER],
      meta: { app: "é\n\u0000", "": "x", constructor: "y" },
    };
    const answer = await node.ask("POST", "/pins", { ...pin, unknown: 1 });
    expect([answer.status, answer.body["pin"]]).toEqual([202, pin]);
    expect((await node.ask("GET", `/pins/${idOf(answer)}`)).body["pin"]).toEqual(pin);
    expect(node.origins).toEqual([[PEER]]);
    const bare = await node.ask("POST", "/pins", { cid: v0, name: null, origins: null, meta: null });
    expect([bare.status, bare.body["pin"]]).toEqual([202, { cid: v0 }]);
    expect((await node.ask("GET", `/pins?cid=${CID.parse(v0).toV1().toString()}&${ALL}`)).body["count"]).toBe(
      2,
    );
  });

  test("goes from queued over pinning to pinned or failed, and says how far it is and why", async () => {
    await using node = await startPinsApi();
    const { promise, resolve } = Promise.withResolvers<undefined>();
    node.pinner.script(blockOf("slow").cid, async (_root, { onProgress }) => {
      onProgress?.({ blocks: 7, bytes: 900 });
      await promise;
      return { blocks: 8, bytes: 1_000 };
    });
    node.pinner.script(blockOf("bad").cid, fails("CONTENT_UNSUPPORTED", "no such codec"));
    node.pinner.script(blockOf("absent").cid, fails("CONTENT_NOT_FOUND", "nobody has it"));
    const ids = [];
    for (const text of ["slow", "bad", "absent"])
      ids.push(idOf(await node.ask("POST", "/pins", { cid: cid(text) })));
    const [slow = "", bad = "", absent = ""] = ids;
    expect((await untilStatus(node, slow, "pinning")).body["info"]).toEqual({
      status_details: "7 blocks, 900 bytes so far",
    });
    expect((await untilStatus(node, bad, "failed")).body["info"]).toEqual({
      status_details: "no such codec",
    });
    // It is tried again, so it has not failed for good.
    await until(async () => {
      const { body } = await node.ask("GET", `/pins/${absent}`);
      expect(body).toMatchObject({
        status: "queued",
        info: {
          status_details: expect.stringMatching(
            /^attempt 1 failed: nobody has it; it is tried again at 2/,
          ) as unknown,
        },
      });
    });
    const of = async (status: string): Promise<unknown> => {
      const answer = await node.ask("GET", `/pins?status=${status}`);
      return [answer.body["count"], resultsOf(answer).map(({ requestid }) => requestid)];
    };
    expect(await of("pinning")).toEqual([1, [slow]]);
    expect(await of("queued")).toEqual([1, [absent]]);
    expect(await of("failed")).toEqual([1, [bad]]);
    expect(await of("queued,pinning")).toEqual([2, [absent, slow]]);
    expect(await of("pinned,pinning,failed")).toEqual([2, [bad, slow]]);
    resolve(undefined);
    expect((await untilStatus(node, slow, "pinned")).body).not.toHaveProperty("info");
    expect(await of("pinned")).toEqual([1, [slow]]);
    expect((await node.ask("GET", "/pins")).body["count"]).toBe(1);
  });

  test("is its owner's: another token sees, replaces and deletes nothing of it", async () => {
    await using node = await startPinsApi();
    const id = idOf(await node.ask("POST", "/pins", { cid: cid("x") }));
    const asB = { headers: { Authorization: `Bearer ${TOKEN_B}` } };
    expect((await node.ask("GET", `/pins/${id}`, undefined, asB)).status).toBe(404);
    expect((await node.ask("POST", `/pins/${id}`, { cid: cid("y") }, asB)).status).toBe(404);
    expect((await node.ask("DELETE", `/pins/${id}`, undefined, asB)).status).toBe(404);
    expect((await node.ask("GET", `/pins?${ALL}`, undefined, asB)).body["count"]).toBe(0);
    // Both want the same content: it stays until nobody does.
    const ofB = idOf(await node.ask("POST", "/pins", { cid: cid("x") }, asB));
    await node.ask("DELETE", `/pins/${id}`);
    expect(node.pins.claims(blockOf("x").cid)).toMatchObject([{ source: "pins-api", holder: `b ${ofB}` }]);
    await node.ask("DELETE", `/pins/${ofB}`, undefined, asB);
    expect(node.pins.get(blockOf("x").cid)).toBeUndefined();
  });

  test("that is replaced stays pinned at the backend until the new one is", async () => {
    await using node = await startPinsApi();
    const { promise, resolve } = Promise.withResolvers<undefined>();
    node.pinner.script(blockOf("new").cid, async () => {
      await promise;
      return { blocks: 1, bytes: 1 };
    });
    const old = idOf(await node.ask("POST", "/pins", { cid: cid("old") }));
    await untilStatus(node, old, "pinned");
    const fresh = idOf(await node.ask("POST", `/pins/${old}`, { cid: cid("new") }));
    await untilStatus(node, fresh, "pinning");
    expect(node.pinner.unpinned).toEqual([]);
    expect(node.pins.get(blockOf("old").cid)?.state).toBe("pinned");
    resolve(undefined);
    await untilStatus(node, fresh, "pinned");
    await until(() => expect(node.pins.get(blockOf("old").cid)).toBeUndefined());
    expect(node.pins.get(blockOf("new").cid)?.state).toBe("pinned");
  });
});

describe("the origins of a pin", () => {
  test("end the rest of an attempt that failed before they were reached", async () => {
    await using node = await startPinsApi();
    node.pinner.script(blockOf("x").cid, fails("CONTENT_NOT_FOUND", "nobody has it"));
    const id = idOf(await node.ask("POST", "/pins", { cid: cid("x"), origins: [PEER] }));
    await until(() => expect(node.pins.view(blockOf("x").cid)?.stage).toBe("failed"));
    node.pinner.script(blockOf("x").cid, () => Promise.resolve({ blocks: 1, bytes: 1 }));
    node.reached[0]?.();
    await untilStatus(node, id, "pinned");
  });

  test("reached while an attempt is under way are waited for until that has failed", async () => {
    // Looked for longer than any disk needs to note that the attempt has failed.
    await using node = await startPinsApi({ options: { originLookMs: 5, originLooksMax: 10_000 } });
    const { promise, reject } = Promise.withResolvers<never>();
    node.pinner.script(blockOf("x").cid, () => promise);
    const id = idOf(await node.ask("POST", "/pins", { cid: cid("x"), origins: [PEER] }));
    await untilStatus(node, id, "pinning");
    node.reached[0]?.();
    node.pinner.script(blockOf("x").cid, () => Promise.resolve({ blocks: 1, bytes: 1 }));
    reject(new HoldfastError("CONTENT_NOT_FOUND", "nobody has it"));
    await untilStatus(node, id, "pinned");
    // Of an order that is gone nothing happens.
    await node.ask("DELETE", `/pins/${id}`);
    node.reached[0]?.();
    expect((await node.ask("GET", `/pins/${id}`)).status).toBe(404);
  });
});

describe("bounds", () => {
  test.for([
    ["no JSON", "{", "INVALID_ARGUMENT"],
    ["no body", "", "INVALID_ARGUMENT"],
    ["not UTF-8", Buffer.from([0xff, 0x7b]), "INVALID_ARGUMENT"],
    ["a list", "[]", "INVALID_ARGUMENT"],
    ["null", "null", "INVALID_ARGUMENT"],
    ["no cid", { name: "x" }, "INVALID_ARGUMENT"],
    ["a number as cid", { cid: 1 }, "INVALID_ARGUMENT"],
    ["what is no CID", { cid: "x" }, "INVALID_CID"],
    ["a path as CID", { cid: `/ipfs/${cid("x")}` }, "INVALID_CID"],
    ["a long CID", { cid: "b".repeat(1_001) }, "INVALID_ARGUMENT"],
    ["a number as name", { name: 1 }, "INVALID_ARGUMENT"],
    ["256 characters as name", { name: "é".repeat(256) }, "INVALID_ARGUMENT"],
    ["a NUL in the name", { name: "a\0" }, "INVALID_ARGUMENT"],
    ["half a character in the name", '{"cid":"x","name":"\\ud800"}', "INVALID_CID"],
    ["text as origins", { origins: PEER }, "INVALID_ARGUMENT"],
    ["21 origins", { origins: Array.from({ length: 21 }, () => PEER) }, "INVALID_ARGUMENT"],
    ["an origin without peer", { origins: ["/ip4/1.2.3.4/tcp/4001"] }, "INVALID_ARGUMENT"],
    ["an origin with half a peer", { origins: ["/ip4/1.2.3.4/tcp/4001/p2p/vault"] }, "INVALID_ARGUMENT"],
    ["an origin that is none", { origins: ["http://example.com"] }, "INVALID_ARGUMENT"],
    ["a number in meta", { meta: { a: 1 } }, "INVALID_ARGUMENT"],
    ["a list as meta", { meta: ["a"] }, "INVALID_ARGUMENT"],
    [
      "1,001 keys in meta",
      { meta: Object.fromEntries(Array.from({ length: 1_001 }, (_, i) => [i, ""])) },
      "INVALID_ARGUMENT",
    ],
    ["much meta", { meta: { a: "x".repeat(17_000) } }, "INVALID_ARGUMENT"],
  ] as const)(
    "%s is 400 for a new pin and for a replacement, and changes nothing",
    async ([, body, reason]) => {
      await using node = await startPinsApi();
      const id = idOf(await node.ask("POST", "/pins", { cid: cid("x") }));
      const isObject = typeof body === "object" && !(body instanceof Uint8Array);
      const sent = isObject
        ? JSON.stringify({
            cid: cid("y"),
            ...body,
            ...("name" in body && body.name === "x" ? { cid: undefined } : {}),
          })
        : body;
      for (const path of ["/pins", `/pins/${id}`]) {
        const answer = await node.ask("POST", path, undefined, {
          body: sent,
          headers: { "Content-Type": "application/json" },
        });
        expect([answer.status, answer.body]).toEqual([400, failure(reason)]);
      }
      expect((await node.ask("GET", `/pins?${ALL}`)).body["count"]).toBe(1);
    },
  );

  test("what is just within them is taken", async () => {
    await using node = await startPinsApi();
    const pin = {
      cid: cid("x"),
      name: "💾".repeat(255),
      origins: Array.from({ length: 20 }, (_, i) => PEER.replace("4001", `${4001 + i}`)),
      meta: { a: "x".repeat(16_000) },
    };
    expect((await node.ask("POST", "/pins", pin)).body["pin"]).toEqual(pin);
    const twice = await node.ask("POST", "/pins", { ...pin, origins: [PEER, PEER] });
    expect(twice.body).toMatchObject({ pin: { origins: [PEER] } });
  });

  test("a body over 64 KiB is 413, also when it does not say so, and one of another type is 415", async () => {
    await using node = await startPinsApi();
    const large = JSON.stringify({ cid: cid("x"), filler: "x".repeat(65_536) });
    const announced = await node.ask("POST", "/pins", large);
    expect([announced.status, announced.body]).toEqual([413, failure("BODY_TOO_LARGE")]);
    const streamed = await node.ask("POST", "/pins", undefined, {
      body: new Blob([large]).stream(),
      duplex: "half",
      headers: { "Content-Type": "application/json" },
    } as RequestInit);
    expect([streamed.status, streamed.body]).toEqual([413, failure("BODY_TOO_LARGE")]);
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
    ]) {
      const answer = await node.ask("POST", "/pins", JSON.stringify({ cid: cid("x") }), {
        headers: { "Content-Type": type },
      });
      expect([answer.status, answer.body]).toEqual([415, failure("BODY_UNSUPPORTED")]);
    }
    const typed = { headers: { "Content-Type": "Application/JSON; charset=utf-8" } };
    expect((await node.ask("POST", "/pins", JSON.stringify({ cid: cid("x") }), typed)).status).toBe(202);
  });

  test("R22: a body that stops is given up with an answer in this form", async () => {
    await using node = await startPinsApi();
    using connection = await rawConnection(Number(new URL(node.url).port));
    connection.write(
      `POST /pins HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN_A}\r\nContent-Type: application/json\r\nContent-Length: 70000\r\n\r\n{`,
    );
    await until(() => expect(connection.received).toContain('{"error":{"reason":"BODY_TOO_LARGE"'));
  });

  test.for([
    "limit=0",
    "limit=1001",
    "limit=-1",
    "limit=1.5",
    "limit=ten",
    "status=unknown",
    "match=fuzzy",
    "match=fuzzy&name=x",
    `name=${"x".repeat(256)}`,
    "name=%00",
    "cid=x",
    `cid=${Array.from({ length: 11 }, (_, i) => cid(`${i}`)).join(",")}`,
    "before=yesterday",
    "before=2020-07-27",
    "before=2020-07-27T17:32:28",
    "before=1595871148276",
    "after=2020-13-27T17:32:28Z",
    "after=2020-07-27T25:32:28Z",
    "meta=x",
    "meta=[]",
    'meta={"a":1}',
    `meta=${JSON.stringify(Object.fromEntries(Array.from({ length: 21 }, (_, i) => [i, ""])))}`,
  ])("R36: the filter %s is 400", async (query) => {
    await using node = await startPinsApi();
    const answer = await node.ask("GET", `/pins?${query}`);
    const reason = query.startsWith("cid=x") ? "INVALID_CID" : "INVALID_ARGUMENT";
    expect([answer.status, answer.body]).toEqual([400, failure(reason)]);
  });

  test.for(["status=pinned,", "status=", "cid=", "name=", "match=", "before=", "meta=", "meta={}", "limit="])(
    "the filter %s is none where it is empty",
    async (query) => {
      await using node = await startPinsApi();
      expect((await node.ask("GET", `/pins?${query}`)).status).toBe(200);
    },
  );

  test("a token that has as many pins as it may have is told 409, until it deletes one; a replacement is none more", async () => {
    await using node = await startPinsApi({ options: { perOwnerMax: 3, perOwnerAndRootMax: 2 } });
    const first = idOf(await node.ask("POST", "/pins", { cid: cid("x") }));
    await node.ask("POST", "/pins", { cid: cid("x") });
    const third = await node.ask("POST", "/pins", { cid: cid("x") });
    expect([third.status, third.body]).toEqual([409, failure("INSUFFICIENT_FUNDS")]);
    await node.ask("POST", "/pins", { cid: cid("y") });
    expect((await node.ask("POST", "/pins", { cid: cid("z") })).status).toBe(409);
    expect(node.pins.get(blockOf("z").cid)).toBeUndefined();
    const replaced = idOf(await node.ask("POST", `/pins/${first}`, { cid: cid("z") }));
    expect((await node.ask("GET", `/pins/${replaced}`)).status).toBe(200);
    await node.ask("DELETE", `/pins/${replaced}`);
    expect((await node.ask("POST", "/pins", { cid: cid("x") })).status).toBe(202);
    const asB = { headers: { Authorization: `Bearer ${TOKEN_B}` } };
    expect((await node.ask("POST", "/pins", { cid: cid("x") }, asB)).status).toBe(202);
  });

  test("R36: changes of a token have a rate, with 429 and Retry-After; reads and other tokens go on", async () => {
    await using node = await startPinsApi({ writes: { perSecond: 0.5, burst: 2 } });
    for (const text of ["x", "y"])
      expect((await node.ask("POST", "/pins", { cid: cid(text) })).status).toBe(202);
    for (const [method, path] of [
      ["POST", "/pins"],
      ["POST", "/pins/request-1"],
      ["DELETE", "/pins/request-1"],
    ] as const) {
      const answer = await node.ask(method, path, method === "POST" ? { cid: cid("z") } : undefined);
      expect([answer.status, answer.body, answer.headers.get("retry-after")]).toEqual([
        429,
        failure("RATE_LIMITED"),
        "2",
      ]);
    }
    expect((await node.ask("GET", `/pins?${ALL}`)).body["count"]).toBe(2);
    const asB = { headers: { Authorization: `Bearer ${TOKEN_B}` } };
    expect((await node.ask("POST", "/pins", { cid: cid("z") }, asB)).status).toBe(202);
    await node.clock.advance(2_000);
    expect((await node.ask("DELETE", "/pins/request-1")).status).toBe(202);
  });

  test("the write policy `closed` refuses every change and no read", async () => {
    await using node = await startPinsApi({ writePolicy: new WritePolicy({ kind: "closed" }) });
    for (const [method, path] of [
      ["POST", "/pins"],
      ["POST", "/pins/x"],
      ["DELETE", "/pins/x"],
    ] as const) {
      const answer = await node.ask(method, path, method === "POST" ? { cid: cid("x") } : undefined);
      expect([answer.status, answer.body]).toEqual([403, failure("WRITES_CLOSED")]);
    }
    expect((await node.ask("GET", "/pins")).status).toBe(200);
  });
});

describe("rule 7 of http-api.md: every error below /pins has the form of the specification", () => {
  test.for([
    ["PATCH", "/pins", 405, "METHOD_NOT_ALLOWED"],
    ["PUT", "/pins", 405, "METHOD_NOT_ALLOWED"],
    ["DELETE", "/pins", 405, "METHOD_NOT_ALLOWED"],
    ["PUT", "/pins/x", 405, "METHOD_NOT_ALLOWED"],
    ["GET", "/pins/x/y", 404, "ROUTE_NOT_FOUND"],
    ["GET", "/pins?limit=x", 400, "INVALID_ARGUMENT"],
    ["GET", `/pins?x=${"x".repeat(9_000)}`, 400, "INVALID_ARGUMENT"],
    ["GET", "/pins/%E0%A4%A", 400, "INVALID_ARGUMENT"],
  ] as const)("%s %s", async ([method, path, status, reason]) => {
    await using node = await startPinsApi();
    const answer = await node.ask(method, path);
    expect([answer.status, answer.body]).toEqual([status, failure(reason)]);
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(answer.headers.get("x-request-id")).toBeTruthy();
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
    expect((answer.headers.get("allow") ?? "").includes("OPTIONS")).toBe(status === 405);
  });

  test("429 of the client's rate, 503 of a store that takes nothing", async () => {
    await using busy = await startPinsApi({ rates: { readsPerClient: { perSecond: 0.1, burst: 1 } } });
    await busy.ask("GET", "/pins");
    const limited = await busy.ask("GET", "/pins");
    expect([limited.status, limited.body]).toEqual([429, failure("RATE_LIMITED")]);
    expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(0);

    await using full = await startPinsApi({ databasePagesMax: 150 });
    const pin = { cid: cid("x"), meta: { filler: "x".repeat(16_000) } };
    const failed = await until(async () => {
      const answer = await full.ask("POST", "/pins", pin);
      expect(answer.status).not.toBe(202);
      return answer;
    });
    expect([failed.status, failed.body]).toEqual([503, failure("STORE_FAILED")]);
    expect(failed.headers.get("retry-after")).toBeTruthy();
    expect((await full.ask("GET", `/pins?${ALL}`)).status).toBe(200);
  });

  test("a browser may delete: the preflight says so", async () => {
    await using node = await startPinsApi();
    const preflight = await fetch(`${node.url}/pins/x`, { method: "OPTIONS" });
    expect(preflight.headers.get("access-control-allow-methods")?.split(", ")).toContain("DELETE");
    expect(preflight.headers.get("access-control-allow-headers")?.split(", ")).toContain("Authorization");
  });
});

describe("filters", () => {
  test("by time, in every spelling of RFC 3339, exclusive and finer than a millisecond", async () => {
    await using node = await startPinsApi();
    for (const text of ["0", "1", "2"]) {
      await node.ask("POST", "/pins", { cid: cid(text) });
      await node.clock.advance(1_000);
    }
    const base = "2026-09-21T14:13:2";
    const count = async (query: string): Promise<unknown> =>
      (await node.ask("GET", `/pins?${ALL}&${query}`)).body["count"];
    expect(await count(`before=${base}1.000Z`)).toBe(1);
    expect(await count(`before=${base}1Z`)).toBe(1);
    expect(await count(`before=${base}1.0001Z`)).toBe(2);
    expect(await count(`before=${base.toLowerCase()}1.000000001z`)).toBe(2);
    expect(await count(`after=${base}1.000Z`)).toBe(1);
    expect(await count(`after=${base}0.9999Z`)).toBe(2);
    expect(await count("before=2026-09-21T16:13:21%2B02:00")).toBe(1);
    // As clients send it that do not escape.
    expect(await count("before=2026-09-21T16:13:21+02:00")).toBe(1);
    expect(await count("before=2026-09-21T12:13:21-02:00")).toBe(1);
    expect(await count(`after=${base}0Z&before=${base}2Z`)).toBe(1);
    expect(await count("after=")).toBe(3);
  });

  test("by CIDs and meta, together with a status and each other", async () => {
    await using node = await startPinsApi();
    node.pinner.script(blockOf("2").cid, hangs);
    for (const text of ["0", "1", "2", "3"]) {
      await node.ask("POST", "/pins", { cid: cid(text), meta: { app: text < "2" ? "x" : "y", n: text } });
    }
    await until(async () => expect((await node.ask("GET", "/pins")).body["count"]).toBe(3));
    const names = async (query: string): Promise<unknown> => {
      const answer = await node.ask("GET", `/pins?${query}`);
      const ids = resultsOf(answer).map(({ requestid }) => requestid.at(-1));
      return [answer.body["count"], ids.join("")];
    };
    const meta = (value: object): string => `meta=${encodeURIComponent(JSON.stringify(value))}`;
    expect(await names(`cid=${cid("0")},${cid("2")}`)).toEqual([1, "1"]);
    expect(await names(`cid=${cid("0")},${cid("2")}&${ALL}`)).toEqual([2, "31"]);
    expect(await names(`cid=${cid("0")}&cid=${cid("3")}`)).toEqual([2, "41"]);
    expect(await names(meta({ app: "x" }))).toEqual([2, "21"]);
    expect(await names(meta({ app: "y" }))).toEqual([1, "4"]);
    expect(await names(`${meta({ app: "y" })}&status=pinning`)).toEqual([1, "3"]);
    expect(await names(`${meta({ app: "x", n: "1" })}&cid=${cid("0")},${cid("1")}`)).toEqual([1, "2"]);
    expect(await names(meta({ app: "X" }))).toEqual([0, ""]);
    expect(await names("limit=1")).toEqual([3, "4"]);
    expect(await names("unknown=1&limit=2")).toEqual([3, "42"]);
  });
});

describe("fuzz", () => {
  test("no body makes anything but a 202 or a refusal in the form of the specification", async () => {
    await using node = await startPinsApi({ options: { perOwnerMax: 100_000, perOwnerAndRootMax: 100_000 } });
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom(cid("x"), cid("y"), PEER, "", "\0", "Qm"),
    );
    const value = fc.oneof(text, fc.jsonValue());
    const body = fc.oneof(
      fc.string({ unit: "binary" }).map((one) => Buffer.from(one)),
      fc.uint8Array({ maxLength: 200 }).map((one) => Buffer.from(one)),
      fc.json().map((one) => Buffer.from(one)),
      fc
        .record(
          {
            cid: fc.oneof(fc.constant(cid("x")), value),
            name: value,
            origins: fc.oneof(fc.array(text), value),
            meta: fc.oneof(fc.dictionary(text, text), value),
          },
          { requiredKeys: [] },
        )
        .map((one) => Buffer.from(JSON.stringify(one))),
    );
    await fc.assert(
      fc.asyncProperty(body, fc.boolean(), async (sent, replaces) => {
        const path = replaces ? "/pins/none" : "/pins";
        const answer = await node.ask("POST", path, undefined, {
          body: sent,
          headers: { "Content-Type": "application/json" },
        });
        const isTaken = answer.status === 202;
        const { body: seen } = isTaken ? await node.ask("GET", `/pins/${idOf(answer)}`) : answer;
        expect([202, 400, 404]).toContain(answer.status);
        expect(isTaken ? seen["pin"] : "none").toEqual(isTaken ? answer.body["pin"] : "none");
        expect(isTaken || isFailure(answer)).toBe(true);
      }),
      { numRuns: 300, seed: 11 },
    );
  }, 120_000);

  test("no query makes anything but a page or a refusal in the form of the specification", async () => {
    await using node = await startPinsApi();
    await node.ask("POST", "/pins", { cid: cid("x"), name: "x", meta: { a: "b" } });
    const parameter = fc.constantFrom(
      "cid",
      "name",
      "match",
      "status",
      "before",
      "after",
      "limit",
      "meta",
      "x",
    );
    const good = fc.constantFrom(
      "exact",
      "ipartial",
      ALL,
      "pinned",
      "x",
      "7",
      cid("x"),
      '{"a":"b"}',
      "2026-09-21T14:13:20Z",
      "",
    );
    const query = fc.array(
      fc.tuple(parameter, fc.oneof(good, fc.string({ unit: "binary", maxLength: 40 }))),
      { maxLength: 6 },
    );
    const raw = fc
      .string({ unit: "grapheme-ascii", maxLength: 60 })
      .map((one) => one.replaceAll(/[\s#]/g, ""));
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          query.map((pairs) => new URLSearchParams(pairs).toString()),
          raw,
        ),
        async (one) => {
          const answer = await node.ask("GET", `/pins?${one}`);
          const isPage = answer.status === 200 && Number(answer.body["count"]) >= resultsOf(answer).length;
          expect(isPage || (answer.status === 400 && isFailure(answer))).toBe(true);
        },
      ),
      { numRuns: 400, seed: 12 },
    );
  }, 120_000);
});
