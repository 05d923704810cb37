import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { browserAvailable, startBrowser } from "./support/browser.ts";
import { createPublisher, putRecord } from "./support/names.ts";
import { startNode, type TestNode } from "./support/start-node.ts";
import { until } from "../packages/server/test/support/until.ts";

describe.skipIf(!browserAvailable)("a real browser", () => {
  let node: TestNode;
  let browser: Browser;
  /** A dapp on another origin than the node's. */
  let dapp: Server;
  let page: Page;

  beforeAll(async () => {
    node = await startNode({ env: { HOLDFAST_NETWORK: "offline" } });
    browser = await startBrowser();
    dapp = createServer((_req, res) =>
      res.setHeader("content-type", "text/html").end("<!doctype html><p>dapp"),
    );
    await new Promise<void>((resolve) => dapp.listen(0, "127.0.0.1", resolve));
    page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(dapp.address() as AddressInfo).port}/`);
  });

  afterAll(async () => {
    await browser?.close();
    dapp?.close();
    await node?.[Symbol.asyncDispose]();
  });

  test("R35: a dapp on another origin puts a record, reads its headers, and sees errors as answers", async () => {
    const publisher = createPublisher();
    const record = await publisher.record("/ipfs/bafkqaaa", 3n);
    const seen = await page.evaluate(
      async ({ url, name, bytes }) => {
        const body = new FormData();
        body.set("file", new Blob([Uint8Array.from(bytes)]), "record");
        const put = await fetch(`${url}/api/v0/routing/put?arg=/ipns/${name}`, { method: "POST", body });
        const get = await fetch(`${url}/api/v0/routing/get?arg=/ipns/${name}`, {
          headers: { "X-No-Cache": "1" },
        });
        const unknown = await fetch(`${url}/api/v0/pin/rm?arg=x`, { method: "POST" });
        const malformed = await fetch(`${url}/ipfs/nonsense`);
        return {
          put: put.status,
          sequence: get.headers.get("x-ipns-sequence"),
          extra: ((await get.json()) as { Extra: string }).Extra,
          unknown: unknown.status,
          malformed: malformed.status,
        };
      },
      { url: node.publicUrl, name: publisher.name.text, bytes: [...record] },
    );
    expect(seen).toEqual({
      put: 200,
      sequence: "3",
      extra: Buffer.from(record).toString("base64"),
      unknown: 404,
      malformed: 400,
    });
  });

  test("a dapp hears of a publish over its WebSocket", async () => {
    const publisher = createPublisher();
    const name = publisher.name.text;
    const url = `${node.publicUrl.replace("http", "ws")}/ws/ipns`;
    await page.evaluate(
      async ({ url: wsUrl, name: wanted }) => {
        const socket = new WebSocket(wsUrl);
        const frames: string[] = [];
        Object.assign(globalThis, { frames });
        socket.addEventListener("message", (event) => frames.push(String(event.data)));
        await new Promise((resolve) => socket.addEventListener("open", resolve));
        socket.send(JSON.stringify({ action: "subscribe", names: [wanted] }));
        while (frames.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      },
      { url, name },
    );
    await putRecord(node.publicUrl, publisher.name, await publisher.record("/ipfs/bafkqaaa", 1n));
    const frames = await page.waitForFunction(() => {
      const { frames: all } = globalThis as unknown as { frames: string[] };
      return all.length >= 2 ? all : undefined;
    });
    const [subscribed = "", update = ""] = (await frames.jsonValue()) ?? [];
    expect(JSON.parse(subscribed)).toEqual({ type: "subscribed", names: [name] });
    expect(JSON.parse(update)).toMatchObject({ type: "update", name, sequence: 1, cid: "bafkqaaa" });
  });

  test("a person walks through a listing, and is told in words what is not there", async () => {
    const body = new FormData();
    body.append("file", new Blob(["# read me"]), "site%2FREADME.md");
    body.append("file", new Blob(["hello from a folder"]), "site%2Fdocs%2Fhello.txt");
    const added = await fetch(`${node.publicUrl}/api/v0/add?cid-version=1`, { method: "POST", body });
    const last = (await added.text()).trim().split("\n").at(-1) ?? "";
    const { Hash } = JSON.parse(last) as { Hash: string };

    const visitor = await browser.newPage();
    const problems: string[] = [];
    visitor.on("console", (message) => {
      // Browsers ask every origin for this one by themselves.
      if (!message.location().url.endsWith("/favicon.ico")) problems.push(message.text());
    });
    visitor.on("pageerror", (err) => problems.push(err.message));
    await visitor.goto(`${node.publicUrl}/ipfs/${Hash}/`);
    expect(await visitor.title()).toContain(Hash);
    await visitor.getByRole("link", { name: "docs", exact: true }).click();
    await visitor.getByRole("link", { name: "hello.txt", exact: true }).click();
    // A click does not wait for what it leads to.
    await until(async () => expect(await visitor.locator("body").textContent()).toBe("hello from a folder"));
    // No scripts, no other resources: nothing that a strict policy would refuse.
    expect(problems).toEqual([]);

    const missing = await visitor.goto(`${node.publicUrl}/ipfs/${Hash}/missing.html`);
    expect(missing?.status()).toBe(404);
    expect(await visitor.locator("h1").textContent()).toBe("Nothing was found here");
    await visitor.close();
  });
});
