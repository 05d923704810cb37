import { spawn } from "node:child_process";
import { Agent, request } from "node:http";
import fc from "fast-check";
import { create as createKuboClient } from "kubo-rpc-client";
import { CID } from "multiformats/cid";
import { describe, expect, onTestFinished, test } from "vitest";
import { WritePolicy } from "../src/http/write-policy.ts";
import { blockOf, bytesOf, cidOf } from "./support/blocks.ts";
import { requestOf } from "./support/create-pins.ts";
import { IPFS_BINARY } from "./support/kubo-repository.ts";
import { createTestName, makeRecord } from "./support/records.ts";
import { messageOf, rpc, type RpcAnswer } from "./support/rpc.ts";
import { fails, hangs, type PinScript, ScriptedPinner } from "./support/scripted-pinner.ts";
import { startContent, type TestContent } from "./support/start-content.ts";
import { kuboAvailable } from "./support/start-kubo.ts";
import { until } from "./support/until.ts";

const cid = (text: string): string => blockOf(text).cid.toString();
const TOKENS = ["token-0123456789-a", "token-0123456789-b"] as const;
const bearer = (token: string): RequestInit => ({ headers: { Authorization: `Bearer ${token}` } });

async function start(policy?: WritePolicy): Promise<TestContent & { readonly pinner: ScriptedPinner }> {
  const pinner = new ScriptedPinner();
  const node = await startContent({ pinner, ...(policy && { writePolicy: policy }) });
  return Object.assign(node, { pinner });
}

interface WithTrailer {
  readonly status: number | undefined;
  readonly text: string;
  readonly error: string | undefined;
  /** Our end of the connection. */
  readonly localPort: number | undefined;
}

/** The lines and the trailer of an answer, which `fetch` conceals. */
async function withTrailer(url: string, agent: Agent): Promise<WithTrailer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: "POST", agent }, (response) => {
      const { localPort } = response.socket;
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () => {
        const { statusCode: status, trailers } = response;
        resolve({ status, text, error: trailers["x-stream-error"], localPort });
      });
      response.on("error", reject);
    });
    sent.on("error", reject).end();
  });
}

/** Pins when the test says so. */
function held(): { readonly script: PinScript; readonly release: () => void } {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const script: PinScript = async (_root, { onProgress }) => {
    onProgress?.({ blocks: 3, bytes: 40 });
    await promise;
    return { blocks: 4, bytes: 50 };
  };
  return { script, release: () => resolve(undefined) };
}

describe("pin/add", () => {
  test("answers when the backend has confirmed all of its pins, in Kubo's form, with their claims", async () => {
    await using node = await start();
    const answer = await rpc(
      node,
      `pin/add?arg=${cid("a")}&arg=/ipfs/${cid("b")}&arg=ipfs://${cid("c")}&name=n`,
    );
    expect([answer.status, answer.lines]).toEqual([200, [{ Pins: [cid("a"), cid("b"), cid("c")] }]]);
    expect(answer.headers.get("content-type")).toBe("application/json");
    for (const text of ["a", "b", "c"]) {
      expect(node.pins.get(blockOf(text).cid)).toMatchObject({ state: "pinned", recursive: true });
      expect(node.pins.claims(blockOf(text).cid)).toMatchObject([
        { source: "pin-add", holder: "", name: "n" },
      ]);
    }
    await rpc(node, `pin/add?arg=${cid("d")}&recursive=false`);
    expect(node.pinner.pinned.size).toBe(4);
    expect(node.pins.get(blockOf("d").cid)?.recursive).toBe(false);
  });

  test("notes the wish before it waits, and keeps it when the client leaves", async () => {
    await using node = await start();
    node.pinner.script(blockOf("slow").cid, hangs);
    const leaving = new AbortController();
    const left = rpc(node, `pin/add?arg=${cid("slow")}`, undefined, { signal: leaving.signal });
    await until(() => expect(node.pins.view(blockOf("slow").cid)?.stage).toBe("pinning"));
    leaving.abort();
    await expect(left).rejects.toThrow(/abort/i);
    expect(node.pins.get(blockOf("slow").cid)).toMatchObject({ state: "queued" });
  });

  test("says when its time is over that the wish is kept, and why there is no pin yet", async () => {
    await using node = await start();
    node.pinner.script(blockOf("absent").cid, fails("CONTENT_NOT_FOUND", "nobody has it"));
    const answer = await rpc(node, `pin/add?arg=${cid("absent")}&timeout=300ms`);
    expect(answer.status).toBe(504);
    expect(messageOf(answer)).toBe(
      `request timed out: ${cid("absent")} was not pinned within 0.3 s (last problem: nobody has it); the wish is kept and is worked on: see /pin-status`,
    );
    expect(node.pins.get(blockOf("absent").cid)?.attempts).toBe(1);
  });

  test("says at once what was given up", async () => {
    await using node = await start();
    node.pinner.script(blockOf("bad").cid, fails("CONTENT_UNSUPPORTED", "no such codec"));
    const answer = await rpc(node, `pin/add?arg=${cid("bad")}`);
    // Not 404, which Kubo's command line takes for a command that is not offered.
    expect([answer.status, messageOf(answer)]).toEqual([
      409,
      `pin: ${cid("bad")} was given up: no such codec`,
    ]);
  });

  test("with progress a line comes every half second, and the pins at the end", async () => {
    await using node = await start();
    const { script, release } = held();
    node.pinner.script(blockOf("slow").cid, script);
    const response = await fetch(`${node.url}/api/v0/pin/add?arg=${cid("slow")}&progress=true`, {
      method: "POST",
    });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    const first = await reader?.read();
    expect(JSON.parse(first?.value ?? "")).toEqual({ Progress: 3, Bytes: 40 });
    release();
    let rest = "";
    for (let next = await reader?.read(); next?.done === false; next = await reader?.read())
      rest += next.value;
    expect(JSON.parse(rest.trim().split("\n").at(-1) ?? "")).toEqual({ Pins: [cid("slow")] });
    expect(response.headers.get("x-chunked-output")).toBe("1");
  });

  test("gotcha 15: what fails after the first line of progress is told in the trailer of a 200, without pins, and the connection goes on", async () => {
    await using node = await start();
    node.pinner.script(blockOf("slow").cid, hangs);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    const { status, text, error, localPort } = await withTrailer(
      `${node.url}/api/v0/pin/add?arg=${cid("slow")}&progress=true&timeout=700ms`,
      agent,
    );
    expect([status, text.includes("Pins")]).toEqual([200, false]);
    expect(error).toMatch(/^request timed out: .* was not pinned within 0.7 s; the wish is kept/);
    const next = await withTrailer(`${node.url}/api/v0/version`, agent);
    expect(next).toMatchObject({ status: 200, localPort });
    const early = await rpc(node, "pin/add?arg=x&progress=true");
    expect([early.status, messageOf(early)]).toEqual([400, 'not a CID: "x"']);
  });

  test("follows names and paths first", async () => {
    await using node = await start();
    const form = new FormData();
    form.append("file", new Blob([Buffer.from(bytesOf(10))]), "dir/sub/file");
    const added = (await rpc(node, "add?pin=false", form)).lines.map(({ Name, Hash }) => [Name, Hash]);
    const of = Object.fromEntries(added) as Record<string, string>;
    const key = createTestName();
    await node.http.records.publish(key.name, await makeRecord(key, { value: `/ipfs/${of["dir"]}` }), {
      origin: "client",
    });
    for (const arg of [
      `/ipfs/${of["dir"]}/sub/file`,
      `${of["dir"]}/sub/file`,
      `ipfs://${of["dir"]}/sub/file/`,
      `/ipns/${key.name.text}/sub/file`,
      `ipns://${key.name.text}/sub/file`,
    ]) {
      const answer = await rpc(node, `pin/add?arg=${encodeURIComponent(arg)}`);
      expect([arg, answer.lines]).toEqual([arg, [{ Pins: [of["dir/sub/file"]] }]]);
    }
    const missing = await rpc(node, `pin/add?arg=${of["dir"]}/nothing`);
    expect([missing.status, messageOf(missing)]).toEqual([400, `no link named "nothing" under ${of["dir"]}`]);
    const unknown = await rpc(node, `pin/add?arg=/ipns/${createTestName().name.text}`);
    expect([unknown.status, messageOf(unknown)]).toMatchObject([400, expect.stringContaining("not found")]);
  });

  test.for([
    ["pin/add", 400, 'argument "ipfs-path" is required'],
    ["pin/add?arg=", 400, 'argument "ipfs-path" is required'],
    ["pin/add?arg=nonsense", 400, 'not a CID: "nonsense"'],
    ["pin/add?arg=/x/y", 400, /not a CID|not a content path/],
    [`pin/add?arg=${cid("a")}&recursive=maybe`, 400, /could not convert value "maybe"/],
    [`pin/add?arg=${cid("a")}&timeout=soon`, 400, /no duration/],
    [`pin/add?arg=${cid("a")}&name=${"x".repeat(256)}`, 400, /pin name/],
    [
      `pin/add?${Array.from({ length: 101 }, () => `arg=${cid("a")}`).join("&")}`,
      400,
      "more than 100 arguments",
    ],
  ] as const)("%s is %d", async ([command, status, message]) => {
    await using node = await start();
    const answer = await rpc(node, command);
    expect(answer.status).toBe(status);
    expect(messageOf(answer)).toMatch(message);
    expect(node.pins.list({ limit: 1 }).pins).toEqual([]);
  });

  test("gotcha 12: is POST only", async () => {
    await using node = await start();
    for (const command of ["add", "ls", "update"]) {
      const response = await fetch(`${node.url}/api/v0/pin/${command}?arg=${cid("a")}`);
      expect([response.status, response.headers.get("allow")]).toEqual([405, "POST, OPTIONS"]);
    }
  });
});

describe("pin/ls", () => {
  async function startFilled(): Promise<TestContent> {
    const node = await start();
    node.pinner.script(blockOf("queued").cid, hangs);
    await rpc(node, `pin/add?arg=${cid("a")}&name=first`);
    await rpc(node, `pin/add?arg=${cid("b")}&recursive=false`);
    await node.pins.add([requestOf("queued", { source: "pin-add" })]);
    return node;
  }
  const keys = (...entries: readonly (readonly [string, string, string])[]): unknown => [
    { Keys: Object.fromEntries(entries.map(([text, Type, Name]) => [cid(text), { Type, Name }])) },
  ];

  test("lists what is confirmed, in the forms of Kubo", async () => {
    await using node = await startFilled();
    const lines = async (query: string): Promise<unknown> => (await rpc(node, `pin/ls${query}`)).lines;
    expect(await lines("")).toEqual(keys(["a", "recursive", ""], ["b", "direct", ""]));
    expect(await lines("?quiet=true")).toEqual(keys(["a", "recursive", ""], ["b", "direct", ""]));
    expect(await lines("?names=true")).toEqual(keys(["a", "recursive", "first"], ["b", "direct", ""]));
    expect(await lines("?type=direct")).toEqual(keys(["b", "direct", ""]));
    expect(await lines("?type=indirect")).toEqual([{}]);
    expect(await lines("?name=irs")).toEqual(keys(["a", "recursive", "first"]));
    expect(await lines("?stream=true&names=true")).toEqual([
      { Cid: cid("a"), Type: "recursive", Name: "first" },
      { Cid: cid("b"), Type: "direct" },
    ]);
    expect(await lines(`?arg=${cid("b")}&arg=/ipfs/${cid("a")}`)).toEqual(
      keys(["b", "direct", ""], ["a", "recursive", ""]),
    );
    expect(await lines(`?arg=${cid("a")}&stream=true`)).toEqual([{ Cid: cid("a"), Type: "recursive" }]);
  });

  test("gotcha 16: is an empty object when there is nothing, and an empty stream, which clients take for no pins", async () => {
    await using node = await start();
    const client = createKuboClient({ url: `${node.url}/api/v0` });
    expect(await Array.fromAsync(client.pin.ls())).toEqual([]);
    expect((await rpc(node, "pin/ls")).text).toBe("{}\n");
    expect((await rpc(node, "pin/ls?stream=true")).text).toBe("");
  });

  test("an argument that is not pinned in this way is an error", async () => {
    await using node = await startFilled();
    for (const query of [
      `arg=${cid("queued")}`,
      `arg=${cid("z")}&stream=true`,
      `arg=${cid("a")}&type=direct`,
    ]) {
      const answer = await rpc(node, `pin/ls?${query}`);
      expect([answer.status, messageOf(answer)]).toMatchObject([
        409,
        expect.stringMatching(/^path '.*' is not pinned$/),
      ]);
    }
    expect(messageOf(await rpc(node, "pin/ls?type=bogus"))).toBe(
      "invalid type 'bogus', must be one of {direct, indirect, recursive, all}",
    );
  });

  test("more pins than a page come whole, and one object of them is JSON", async () => {
    await using node = await start();
    const texts = Array.from({ length: 701 }, (_, i) => `pin ${i}`);
    await node.pins.add(texts.map((text) => requestOf(text, { source: "add", name: `"${text}"` })));
    await until(
      () => expect(node.pins.totals().find(({ state }) => state === "pinned")?.pins).toBe(701),
      20_000,
    );
    const { lines } = await rpc(node, "pin/ls?names=true");
    const found = lines[0]?.["Keys"] as Readonly<Record<string, unknown>>;
    expect(Object.keys(found).toSorted()).toEqual(texts.map((text) => cid(text)).toSorted());
    expect(found[cid("pin 700")]).toEqual({ Type: "recursive", Name: '"pin 700"' });
    expect((await rpc(node, "pin/ls?stream=true")).lines).toHaveLength(701);
  }, 30_000);
});

describe("pin/update", () => {
  const tokens = new WritePolicy({ kind: "token", tokens: TOKENS });
  const update = (node: TestContent, query: string, token: string = TOKENS[0]): Promise<RpcAnswer> =>
    rpc(node, `pin/update?${query}`, undefined, bearer(token));

  test("pins the new root, and ends the old pin of the same token only when that is done", async () => {
    await using node = await start(tokens);
    const { script, release } = held();
    node.pinner.script(blockOf("new").cid, script);
    await rpc(node, `pin/add?arg=${cid("old")}&name=site`, undefined, bearer(TOKENS[0]));
    const updated = update(node, `arg=${cid("old")}&arg=${cid("new")}`);
    await until(() => expect(node.pins.view(blockOf("new").cid)?.stage).toBe("pinning"));
    expect(node.pins.get(blockOf("old").cid)?.state).toBe("pinned");
    release();
    expect((await updated).lines).toEqual([{ Pins: [cid("old"), cid("new")] }]);
    expect(node.pins.get(blockOf("old").cid)).toBeUndefined();
    expect(node.pins.get(blockOf("new").cid)?.claim).toMatchObject({ source: "pin-add", name: "site" });
  });

  test("ends nobody else's pin, whatever the token", async () => {
    await using node = await start(tokens);
    await rpc(node, `pin/add?arg=${cid("a")}`, undefined, bearer(TOKENS[1]));
    await node.pins.add([requestOf("a", { source: "nostr", holder: "author" })]);
    const refused = await update(node, `arg=${cid("a")}&arg=${cid("b")}`);
    expect([refused.status, messageOf(refused)]).toMatchObject([400, expect.stringContaining("unpin=false")]);
    expect(node.pins.get(blockOf("b").cid)).toBeUndefined();
    expect((await update(node, `arg=${cid("a")}&arg=${cid("b")}`, TOKENS[1])).status).toBe(200);
    // Its own claim has ended, the other one has not.
    expect(node.pins.claims(blockOf("a").cid)).toMatchObject([{ source: "nostr" }]);
  });

  test("R37: where anybody may write nobody ends a pin with it, but everybody may add one", async () => {
    await using node = await start();
    await rpc(node, `pin/add?arg=${cid("a")}`);
    const refused = await rpc(node, `pin/update?arg=${cid("a")}&arg=${cid("b")}`);
    expect([refused.status, messageOf(refused)]).toMatchObject([400, expect.stringContaining("unpin=false")]);
    const both = await rpc(node, `pin/update?arg=${cid("a")}&arg=${cid("b")}&unpin=false`);
    expect([both.status, both.lines]).toEqual([200, [{ Pins: [cid("a"), cid("b")] }]]);
    for (const text of ["a", "b"]) expect(node.pins.get(blockOf(text).cid)?.state).toBe("pinned");
  });

  test("wants two arguments, of which the first is pinned recursively", async () => {
    await using node = await start(tokens);
    await rpc(node, `pin/add?arg=${cid("direct")}&recursive=false`, undefined, bearer(TOKENS[0]));
    const message = async (query: string): Promise<string> => messageOf(await update(node, query));
    expect(await message("")).toBe('argument "from-path" is required');
    expect(await message(`arg=${cid("a")}`)).toBe('argument "to-path" is required');
    expect(await message(`arg=${cid("a")}&arg=${cid("b")}&arg=${cid("c")}`)).toBe("more than two arguments");
    for (const from of ["direct", "nobody's"]) {
      expect(await message(`arg=${cid(from)}&arg=${cid("b")}`)).toBe(
        "'from' cid was not recursively pinned already",
      );
    }
    expect(node.pins.get(blockOf("b").cid)).toBeUndefined();
  });

  test("to itself changes nothing", async () => {
    await using node = await start(tokens);
    await rpc(node, `pin/add?arg=${cid("a")}`, undefined, bearer(TOKENS[0]));
    expect((await update(node, `arg=${cid("a")}&arg=${cid("a")}`)).status).toBe(200);
    expect(node.pins.get(blockOf("a").cid)?.state).toBe("pinned");
  });

  test("to the other version of the same CID changes nothing either: both are one pin", async () => {
    await using node = await start(tokens);
    const v1 = cidOf(blockOf("directory").bytes, 0x70);
    const v0 = v1.toV0().toString();
    await rpc(node, `pin/add?arg=${v0}`, undefined, bearer(TOKENS[0]));
    const { status, lines } = await update(node, `arg=${v0}&arg=${v1.toString()}`);
    expect([status, lines]).toEqual([200, [{ Pins: [v0, v1.toString()] }]]);
    expect(node.pins.get(v1)?.state).toBe("pinned");
  });
});

describe("the write policy", () => {
  test.for([
    [new WritePolicy({ kind: "closed" }), {}, 403],
    [new WritePolicy({ kind: "token", tokens: TOKENS }), {}, 401],
    [new WritePolicy({ kind: "token", tokens: TOKENS }), bearer("another-token-000000"), 401],
    [new WritePolicy({ kind: "token", tokens: TOKENS }), bearer(TOKENS[1]), 200],
  ] as const)("%o governs all three (%o: %d)", async ([policy, init, status]) => {
    await using node = await start(policy);
    for (const command of [
      `add?arg=${cid("a")}`,
      "ls",
      `update?arg=${cid("a")}&arg=${cid("b")}&unpin=false`,
    ]) {
      const answer = await rpc(node, `pin/${command}`, undefined, init);
      expect([command, answer.status]).toEqual([command, status]);
    }
  });

  test("R37: pin/rm does not exist, whatever the policy and the method", async () => {
    await using node = await start();
    for (const method of ["GET", "POST", "DELETE"]) {
      expect((await fetch(`${node.url}/api/v0/pin/rm?arg=${cid("a")}`, { method })).status).toBe(404);
    }
  });
});

test("kubo-rpc-client 7.1.0, unmodified: pin.add, addAll, ls, update, and their refusals", async () => {
  await using node = await start();
  const client = createKuboClient({ url: `${node.url}/api/v0` });
  const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => Array.fromAsync(items);
  const [a, b, c] = ["a", "b", "c"].map((text) => blockOf(text).cid);
  if (a === undefined || b === undefined || c === undefined) throw new Error("three CIDs");
  expect((await client.pin.add(a, { name: "n" })).equals(a)).toBe(true);
  const added = await all(client.pin.addAll([b, { cid: c, recursive: false }]));
  expect(added.map(String)).toEqual([b, c].map(String));
  const listed = await all(client.pin.ls({ names: true }));
  expect(listed.map(({ cid: root, type, name }) => [root.toString(), type, name])).toEqual([
    [a.toString(), "recursive", "n"],
    [b.toString(), "recursive", undefined],
    [c.toString(), "direct", undefined],
  ]);
  expect(await all(client.pin.ls({ paths: [b], type: "recursive" }))).toHaveLength(1);
  await expect(all(client.pin.ls({ paths: blockOf("z").cid }))).rejects.toThrow(/is not pinned/);
  const updated = await client.pin.update(a, blockOf("d").cid, { unpin: false } as never);
  expect(updated.map(String)).toEqual([a.toString(), cid("d")]);
  node.pinner.script(blockOf("slow").cid, hangs);
  await expect(client.pin.add(blockOf("slow").cid, { timeout: 200 })).rejects.toThrow(/time/i);
  await expect(client.pin.rm(a)).rejects.toThrow(/not found/i);
  expect(CID.asCID(updated[1])).not.toBeNull();
});

describe.skipIf(!kuboAvailable)("the `ipfs` command", () => {
  test("adds, lists and updates pins here with --api", async () => {
    await using node = await start(new WritePolicy({ kind: "token", tokens: TOKENS }));
    const { port } = new URL(node.url);
    const ipfs = (...args: readonly string[]) => {
      const api = ["--api", `/ip4/127.0.0.1/tcp/${port}`, "--api-auth", `bearer:${TOKENS[0]}`];
      return spawnLater([...api, ...args]);
    };
    expect(await ipfs("pin", "add", cid("a"))).toEqual([0, `pinned ${cid("a")} recursively\n`, ""]);
    const named = await ipfs("pin", "add", "--progress", "--name=n", cid("b"));
    expect(named.slice(0, 2)).toEqual([0, `pinned ${cid("b")} recursively\n`]);
    const [code, names, problem] = await ipfs("pin", "ls", "--names");
    // It prints the keys of one object in any order.
    expect([code, new Set(names.split("\n").map((line) => line.trim())), problem]).toEqual([
      0,
      new Set([`${cid("a")} recursive`, `${cid("b")} recursive n`, ""]),
      "",
    ]);
    expect(await ipfs("pin", "ls", "--stream", "--quiet")).toEqual([0, `${cid("a")}\n${cid("b")}\n`, ""]);
    expect(await ipfs("pin", "ls", cid("z"))).toMatchObject([
      1,
      "",
      expect.stringContaining("is not pinned"),
    ]);
    expect(await ipfs("pin", "update", cid("a"), cid("c"))).toEqual([
      0,
      `updated ${cid("a")} to ${cid("c")}\n`,
      "",
    ]);
    expect(node.pins.get(blockOf("a").cid)).toBeUndefined();
    expect(await ipfs("pin", "rm", cid("c"))).toMatchObject([1, "", expect.stringContaining("not found")]);
  }, 60_000);
});

test("no arguments of the three commands end otherwise than with an answer in Kubo's form", async () => {
  await using node = await start();
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.constantFrom(cid("a"), `/ipfs/${cid("a")}`, "/ipns/", "ipfs://", "..", "true", "direct", "1s"),
  );
  const parameter = fc.constantFrom(
    "arg",
    "recursive",
    "progress",
    "name",
    "timeout",
    "type",
    "stream",
    "names",
    "unpin",
  );
  const query = fc.array(fc.tuple(parameter, text), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom("add", "ls", "update"), query, async (command, pairs) => {
      const search = new URLSearchParams([...pairs, ["timeout", "50ms"]]).toString();
      const { status, lines, text: body } = await rpc(node, `pin/${command}?${search}`);
      const isRefusal = lines.length === 1 && typeof lines[0]?.["Message"] === "string";
      expect([status === 200 || isRefusal, status < 500 || status === 504, body.includes("    at ")]).toEqual(
        [true, true, false],
      );
    }),
    { numRuns: 300, seed: 5 },
  );
}, 30_000);

/** Not `spawnSync`: the node that answers runs in this process. */
async function spawnLater(args: readonly string[]): Promise<readonly [number, string, string]> {
  const child = spawn(IPFS_BINARY, args, { env: { ...process.env, IPFS_PATH: "/nonexistent" } });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (out += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (err += chunk));
  const code = await new Promise<number>((resolve) => child.once("close", (status) => resolve(status ?? -1)));
  return [code, out, err];
}
