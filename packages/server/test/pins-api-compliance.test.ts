import { describe, expect, test } from "vitest";
import { blockOf } from "./support/blocks.ts";
import { hangs } from "./support/scripted-pinner.ts";
import {
  ALL,
  DELEGATE,
  failure,
  idOf,
  resultsOf,
  type Results,
  startPinsApi,
  untilStatus,
} from "./support/start-pins-api.ts";

const cid = (text: string): string => blockOf(text).cid.toString();

describe("as @ipfs-shipyard/pinning-service-compliance 1.8.1 checks it", () => {
  test.for([
    {},
    { Authorization: "" },
    { Authorization: "Bearer" },
    { Authorization: "Bearer purposefullyInvalid" },
  ])("checkEmptyBearerToken, checkInvalidBearerToken: %j is 401 on every route", async (headers) => {
    await using node = await startPinsApi();
    for (const [method, path] of [
      ["GET", "/pins"],
      ["POST", "/pins"],
      ["GET", "/pins/x"],
      ["POST", "/pins/x"],
      ["DELETE", "/pins/x"],
    ]) {
      const response = await fetch(`${node.url}${path}`, {
        method: method ?? "",
        headers: headers as Record<string, string>,
      });
      expect(response.status).toBe(401);
      expect(await response.json()).toEqual(failure("UNAUTHORIZED"));
      expect(response.headers.get("www-authenticate")).toMatch(/^Bearer /);
    }
  });

  test("addPin: 202 with a status of its schema, at once, although nobody has the content", async () => {
    await using node = await startPinsApi();
    node.pinner.script(blockOf("nobody's").cid, hangs);
    const answer = await node.ask("POST", "/pins", { cid: cid("nobody's") });
    expect(answer.status).toBe(202);
    const { info: _info, ...body } = answer.body;
    expect(body).toEqual({
      requestid: "request-1",
      status: expect.toBeOneOf(["queued", "pinning"]) as unknown,
      created: "2026-09-21T14:13:20.000Z",
      pin: { cid: cid("nobody's") },
      delegates: [DELEGATE],
    });
  });

  test("deleteNewPin: a new pin can be deleted at once, and is not found then", async () => {
    await using node = await startPinsApi();
    const id = idOf(await node.ask("POST", "/pins", { cid: cid("x") }));
    const gone = await node.ask("DELETE", `/pins/${id}`);
    expect([gone.status, gone.body]).toEqual([202, { text: "" }]);
    for (const method of ["GET", "DELETE"]) {
      const answer = await node.ask(method, `/pins/${id}`);
      expect([answer.status, answer.body]).toEqual([404, failure("PIN_NOT_FOUND")]);
    }
    expect(node.pins.get(blockOf("x").cid)).toBeUndefined();
  });

  test("getAllPins: lists pins in all states", async () => {
    await using node = await startPinsApi();
    await node.ask("POST", "/pins", { cid: cid("x"), name: "X" });
    const answer = await node.ask("GET", `/pins?${ALL}`);
    expect([answer.status, answer.body["count"]]).toEqual([200, 1]);
    expect(resultsOf(answer)).toMatchObject([{ requestid: "request-1", pin: { cid: cid("x"), name: "X" } }]);
  });

  test("replacePin: the new request has another id and the new CID, the old one is not found", async () => {
    await using node = await startPinsApi();
    const old = idOf(await node.ask("POST", "/pins", { cid: cid("old") }));
    const answer = await node.ask("POST", `/pins/${old}`, { cid: cid("new"), name: "n" });
    expect([answer.status, answer.body]).toMatchObject([202, { pin: { cid: cid("new"), name: "n" } }]);
    expect(idOf(answer)).not.toBe(old);
    expect((await node.ask("GET", `/pins/${old}`)).status).toBe(404);
    expect((await node.ask("GET", `/pins/${idOf(answer)}`)).status).toBe(200);
    expect((await node.ask("POST", `/pins/${old}`, { cid: cid("x") })).body).toEqual(
      failure("PIN_NOT_FOUND"),
    );
  });

  test("matchPin: finds what is pinned by its name in the four ways; without status nothing else is looked at", async () => {
    await using node = await startPinsApi();
    const name = "c9ac09bb-435e-4607-b0b7-f66955a3d0af";
    node.pinner.script(blockOf("other").cid, hangs);
    const id = idOf(await node.ask("POST", "/pins", { cid: cid("x"), name }));
    await node.ask("POST", "/pins", { cid: cid("other"), name });
    await untilStatus(node, id, "pinned");
    const part = name.slice(9, 27);
    for (const query of [
      `match=exact&name=${name}`,
      `name=${name}`,
      `match=iexact&name=${name.toUpperCase()}`,
      `match=partial&name=${part}`,
      `match=ipartial&name=${part.toUpperCase()}`,
    ]) {
      const answer = await node.ask("GET", `/pins?${query}`);
      expect([answer.body["count"], resultsOf(answer).map(({ requestid }) => requestid)]).toEqual([1, [id]]);
    }
    expect((await node.ask("GET", `/pins?match=exact&name=${part}`)).body).toEqual({ count: 0, results: [] });
    expect((await node.ask("GET", `/pins?match=partial&name=${part}&${ALL}`)).body["count"]).toBe(2);
  });

  test("testPagination: pages of 10, and `before` gives the next one without a pin of the first", async () => {
    await using node = await startPinsApi();
    // More than one may be created in a millisecond.
    const created = await Promise.all(
      Array.from({ length: 25 }, (_, i) => node.ask("POST", "/pins", { cid: cid(`${i}`) })),
    );
    const pages: Results[] = [];
    for (let before = ""; pages.length < 4;) {
      const answer = await node.ask("GET", `/pins?${ALL}${before}`);
      expect(answer.body["count"]).toBe(25 - 10 * pages.length);
      const page = resultsOf(answer);
      pages.push(page);
      if (page.length < 10) break;
      before = `&before=${page.at(-1)?.created ?? ""}`;
    }
    expect(pages.map(({ length }) => length)).toEqual([10, 10, 5]);
    const all = pages.flat();
    expect(new Set(all.map(({ requestid }) => requestid))).toEqual(new Set(created.map(idOf)));
    expect(all.map((pin) => pin.created)).toEqual(
      all
        .map((pin) => pin.created)
        .toSorted()
        .toReversed(),
    );
    expect(new Set(all.map((pin) => pin.created)).size).toBe(25);
  });

  test("deleteAllPins: after all were deleted the count is what it was", async () => {
    await using node = await startPinsApi();
    for (let i = 0; i < 12; i++) await node.ask("POST", "/pins", { cid: cid(`${i % 5}`) });
    for (const { requestid } of resultsOf(await node.ask("GET", `/pins?${ALL}&limit=1000`))) {
      expect((await node.ask("DELETE", `/pins/${requestid}`)).status).toBe(202);
    }
    expect((await node.ask("GET", `/pins?${ALL}`)).body).toEqual({ count: 0, results: [] });
    expect(node.pins.totals().filter(({ state }) => state !== "released")).toEqual([]);
  });
});
