import { formatIpnsName, HoldfastError } from "@holdfast/core";
import { describe, expect, it } from "vitest";
import { WritePolicy } from "../src/http/write-policy.ts";
import { MemoryRecordStore } from "../src/adapters/memory/record-store.ts";
import { createTestName, makeRecord, type TestKey } from "./support/records.ts";
import { startHttp, type TestHttp } from "./support/start-http.ts";

type Body = NonNullable<RequestInit["body"]>;

function put(
  node: TestHttp,
  key: TestKey | string,
  body: Body,
  init: RequestInit & { readonly query?: string; readonly duplex?: "half" } = {},
) {
  const arg = typeof key === "string" ? key : `/ipns/${key.name.text}`;
  return fetch(`${node.url}/api/v0/routing/put?arg=${arg}${init.query ?? ""}`, {
    method: "POST",
    body,
    ...init,
  });
}

function formOf(bytes: Uint8Array, part = "file", filename?: string): FormData {
  const form = new FormData();
  const blob = new Blob([new Uint8Array(bytes)]);
  if (filename === undefined) form.append(part, blob);
  else form.append(part, blob, filename);
  return form;
}

/** A frame as plain clients write it, with whatever headers the part shall have. */
function framed(
  bytes: Uint8Array,
  partHeaders: string,
): { readonly body: Body; readonly headers: Record<string, string> } {
  const boundary = "x-boundary";
  return {
    body: Buffer.concat([
      Buffer.from(`--${boundary}\r\n${partHeaders}\r\n`),
      bytes,
      Buffer.from(`\r\n--${boundary}--\r\n`),
    ]),
    headers: { "Content-Type": `multipart/form-data; boundary=${boundary}` },
  };
}

async function sequenceAt(node: TestHttp, key: TestKey): Promise<string | null> {
  return (await fetch(`${node.url}/api/v0/routing/get?arg=${key.name.text}`)).headers.get("x-ipns-sequence");
}

describe("routing/put", () => {
  it.each(["file", "value-file", "data", "x y"])(
    "R9, gotcha 13: stores the one part of a form whatever its name: %s",
    async (part) => {
      await using node = await startHttp();
      const key = createTestName();
      const bytes = await makeRecord(key);
      const response = await put(node, key, formOf(bytes, part, "record"));
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toBe("application/json");
      expect(await response.json()).toEqual({
        Extra: "",
        ID: formatIpnsName(key.name, "base58btc"),
        Responses: null,
        Type: 5,
      });
      expect(node.records.held(key.name)?.record.bytes).toEqual(bytes);
    },
  );

  it.each([
    ["without filename and type", 'Content-Disposition: form-data; name="file"\r\n'],
    [
      "with an empty filename",
      'Content-Disposition: form-data; name="file"; filename=""\r\nContent-Type: application/octet-stream\r\n',
    ],
    ["without a name", "Content-Disposition: form-data\r\n"],
    ["without headers", ""],
    ["as text", 'Content-Disposition: form-data; name="data"\r\nContent-Type: text/plain; charset=utf-8\r\n'],
  ])(
    "R9, gotcha 13: stores a part %s byte for byte, with a length and chunked",
    async (_what, partHeaders) => {
      await using node = await startHttp();
      const key = createTestName();
      for (const sequence of [0n, 1n]) {
        const bytes = await makeRecord(key, { sequence });
        const { body, headers } = framed(bytes, partHeaders);
        const stream = new Blob([body as Uint8Array<ArrayBuffer>]).stream();
        const init = sequence === 0n ? { headers } : { headers, duplex: "half" as const };
        expect((await put(node, key, sequence === 0n ? body : stream, init)).status).toBe(200);
        expect(node.records.held(key.name)?.record.bytes).toEqual(bytes);
      }
    },
  );

  // Kubo answers 400 here: docs/decisions/0005 says why we do not.
  it.each(["application/octet-stream", "application/vnd.ipfs.ipns-record", undefined])(
    "gotcha 13: stores a record that is a raw body of type %s, unlike Kubo",
    async (type) => {
      await using node = await startHttp();
      const key = createTestName();
      const headers = type === undefined ? {} : { "Content-Type": type };
      expect((await put(node, key, new Uint8Array(await makeRecord(key)), { headers })).status).toBe(200);
    },
  );

  it("R9, gotcha 13: never stores a whole multipart body as a record", async () => {
    await using node = await startHttp();
    const key = createTestName();
    const { body } = framed(await makeRecord(key), "");
    const response = await put(node, key, body, { headers: { "Content-Type": "application/octet-stream" } });
    expect(response.status).toBe(400);
    expect(node.store.count()).toBe(0);
  });

  it("takes every spelling of the name and ignores unknown parameters and allow-offline", async () => {
    await using node = await startHttp();
    const key = createTestName();
    const spellings = [
      key.name.text,
      formatIpnsName(key.name, "base58btc"),
      `%2Fipns%2F${formatIpnsName(key.name, "base32")}`,
    ];
    for (const [i, spelling] of spellings.entries()) {
      const body = new Uint8Array(await makeRecord(key, { sequence: BigInt(i) }));
      expect((await put(node, spelling, body, { query: "&allow-offline=true&stream=true&x=1" })).status).toBe(
        200,
      );
    }
    expect(node.store.count()).toBe(1);
    expect(await sequenceAt(node, key)).toBe("2");
  });

  it("R2, gotcha 10: stores a first record with sequence 0", async () => {
    await using node = await startHttp();
    const key = createTestName();
    expect((await put(node, key, formOf(await makeRecord(key, { sequence: 0n })))).status).toBe(200);
    expect(await sequenceAt(node, key)).toBe("0");
  });

  it("R3: stores the same sequence with a later EOL", async () => {
    await using node = await startHttp();
    const key = createTestName();
    const eolMs = Date.now() + 100_000;
    for (const later of [0, 1]) {
      expect((await put(node, key, formOf(await makeRecord(key, { eolMs: eolMs + later })))).status).toBe(
        200,
      );
    }
    expect(node.records.held(key.name)?.record.eolMs).toBe(eolMs + 1);
  });

  it("answers identical bytes with 200", async () => {
    await using node = await startHttp();
    const key = createTestName();
    const bytes = await makeRecord(key);
    for (let i = 0; i < 3; i++) expect((await put(node, key, formOf(bytes))).status).toBe(200);
  });

  it("R4: refuses a record that loses, and gives the one that stays", async () => {
    await using node = await startHttp();
    const key = createTestName();
    const current = await makeRecord(key, { sequence: 2n ** 53n + 1n });
    await put(node, key, formOf(current));
    const response = await put(node, key, formOf(await makeRecord(key, { sequence: 1n })));
    expect(response.status).toBe(400);
    const answer = (await response.json()) as Record<string, unknown>;
    expect(answer["Message"]).toMatch(/rejecting IPNS record.*sequence/);
    expect(answer).toMatchObject({ Code: 1, Type: "error", Sequence: "9007199254740993" });
    expect(answer["Extra"]).toBe(Buffer.from(current).toString("base64"));
  });

  it("R1: refuses a forged record whatever its sequence, says why, and keeps what is stored", async () => {
    await using node = await startHttp();
    const [key, attacker] = [createTestName(), createTestName()];
    await put(node, key, formOf(await makeRecord(key, { sequence: 1n })));
    const forged = await makeRecord(
      { ...key, sign: (message) => attacker.sign(message) },
      { sequence: 2n ** 62n },
    );
    const response = await put(node, key, formOf(forged));
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      Reason: "SIGNATURE_INVALID",
      Message: expect.stringContaining("signature") as string,
    });
    expect(await sequenceAt(node, key)).toBe("1");
  });

  it.each([
    ["expired", async (key: TestKey) => makeRecord(key, { eolMs: Date.now() - 60_000 }), "EXPIRED"],
    ["truncated", async (key: TestKey) => (await makeRecord(key)).subarray(0, 100), "PROTOBUF_INVALID"],
    ["empty", () => Promise.resolve(new Uint8Array()), "EMPTY"],
    ["too large by a byte", () => Promise.resolve(new Uint8Array(10_241)), "TOO_LARGE"],
    ["as large as a body may be", () => Promise.resolve(new Uint8Array(65_000)), "TOO_LARGE"],
  ])("refuses a record that is %s with its reason", async (_what, make, reason) => {
    await using node = await startHttp();
    const key = createTestName();
    const response = await put(node, key, formOf(await make(key)));
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ Reason: reason, Type: "error" });
    expect((await fetch(`${node.url}/api/v0/routing/get?arg=${key.name.text}`)).status).toBe(404);
  });

  it("gotcha 7: stores a record of exactly 10,240 bytes", async () => {
    await using node = await startHttp();
    const key = createTestName();
    const base = (
      await makeRecord(key, { value: `/ipfs/bafkqaaa/${"x".repeat(9_000)}`, v1Compatible: false })
    ).length;
    const bytes = await makeRecord(key, {
      value: `/ipfs/bafkqaaa/${"x".repeat(9_000 + 10_240 - base)}`,
      v1Compatible: false,
    });
    expect(bytes.length).toBe(10_240);
    expect((await put(node, key, formOf(bytes))).status).toBe(200);
  });

  it("R23, gotcha 7: refuses a body over 64 KiB with 413, with a length and chunked, and reads on after it", async () => {
    await using node = await startHttp();
    const key = createTestName();
    for (const size of [65_537, 5_000_000]) {
      const bytes = new Uint8Array(size);
      const plain = await put(node, key, bytes);
      expect(plain.status).toBe(413);
      const chunked = await put(node, key, new Blob([bytes]).stream(), { duplex: "half" });
      expect(chunked.status).toBe(413);
    }
    expect((await put(node, key, formOf(await makeRecord(key)))).status).toBe(200);
  });

  it.each([
    ["no name", "/api/v0/routing/put", 'argument "key" is required'],
    ["an empty name", "/api/v0/routing/put?arg=", 'argument "key" is required'],
    ["a pseudo-name", `/api/v0/routing/put?arg=/ipns/12D3KooW${"a".repeat(40)}`, "IPNS name"],
  ])("refuses %s with 400", async (_what, path, message) => {
    await using node = await startHttp();
    const response = await fetch(node.url + path, {
      method: "POST",
      body: formOf(await makeRecord(createTestName())),
    });
    expect(response.status).toBe(400);
    expect(((await response.json()) as { Message: string }).Message).toContain(message);
  });

  it("says which acknowledgements it offers", async () => {
    await using node = await startHttp();
    const key = createTestName();
    const body = formOf(await makeRecord(key));
    expect((await put(node, key, body, { query: "&ack=stored" })).status).toBe(200);
    expect((await put(node, key, body, { query: "&ack=routed" })).status).toBe(200);
    const response = await put(node, key, body, { query: "&ack=peers=2" });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain("not offered yet");
    expect((await put(node, key, body, { headers: { "X-Holdfast-Ack": "nonsense" } })).status).toBe(400);
  });

  it("is POST only", async () => {
    await using node = await startHttp();
    for (const method of ["GET", "HEAD", "PUT", "DELETE"]) {
      const response = await fetch(`${node.url}/api/v0/routing/put?arg=x`, { method });
      expect(response.status).toBe(405);
      expect(response.headers.get("allow")).toBe("POST, OPTIONS");
    }
  });

  it("asks for a bearer token when the policy does, and takes nothing when it is closed", async () => {
    const token = "a-secret-of-some-length";
    const key = createTestName();
    const bytes = await makeRecord(key);
    await using node = await startHttp({ writePolicy: new WritePolicy({ kind: "token", tokens: [token] }) });
    const anonymous = await put(node, key, formOf(bytes));
    expect(anonymous.status).toBe(401);
    expect(anonymous.headers.get("www-authenticate")).toMatch(/^Bearer/);
    expect(await anonymous.json()).toMatchObject({ Code: 4 });
    expect(
      (await put(node, key, formOf(bytes), { headers: { Authorization: `Bearer ${token}` } })).status,
    ).toBe(200);
    await using closed = await startHttp({ writePolicy: new WritePolicy({ kind: "closed" }) });
    expect(
      (await put(closed, key, formOf(bytes), { headers: { Authorization: `Bearer ${token}` } })).status,
    ).toBe(403);
  });

  it.each(["OVERLOADED", "STORE_FAILED"] as const)(
    "R4: never says 2xx when the store says %s",
    async (code) => {
      class FailingStore extends MemoryRecordStore {
        override async put(): Promise<never> {
          return Promise.reject(new HoldfastError(code, "no"));
        }
      }
      await using node = await startHttp({ recordsParts: { store: new FailingStore() } });
      const key = createTestName();
      const response = await put(node, key, formOf(await makeRecord(key)));
      expect(response.status).toBe(503);
      expect(response.headers.get("retry-after")).toBe("1");
      expect((await fetch(`${node.url}/api/v0/routing/get?arg=${key.name.text}`)).status).toBe(404);
    },
  );

  it("limits stored records of one name to a burst of 5, and tells when the next may come", async () => {
    await using node = await startHttp({ server: { rateLimits: true } });
    const key = createTestName();
    const forged = formOf(new Uint8Array([1, 2, 3]));
    for (let i = 0; i < 10; i++) expect((await put(node, key, forged)).status).toBe(400);
    const statuses: number[] = [];
    for (let sequence = 0n; sequence < 5n; sequence++) {
      statuses.push((await put(node, key, formOf(await makeRecord(key, { sequence })))).status);
    }
    expect(statuses).toEqual([200, 200, 200, 200, 200]);
    const over = await put(node, key, formOf(await makeRecord(key, { sequence: 6n })));
    expect([over.status, over.headers.get("retry-after")]).toEqual([429, "1"]);
    expect(await over.json()).toMatchObject({ Code: 3, Type: "error" });
    await node.clock.advance(1_001);
    expect((await put(node, key, formOf(await makeRecord(key, { sequence: 6n })))).status).toBe(200);
    expect(node.server.refusals).toEqual({ clients: 0, names: 1, node: 0 });
  });

  it("gotcha 14: ends 200 concurrent puts of shuffled sequences at the highest, and every answer is true", async () => {
    await using node = await startHttp();
    const key = createTestName();
    const sequences = Array.from({ length: 200 }, (_, i) => BigInt((i * 77) % 200));
    const records = await Promise.all(sequences.map((sequence) => makeRecord(key, { sequence })));
    const answers = await Promise.all(records.map(async (bytes) => put(node, key, formOf(bytes))));
    for (const [i, answer] of answers.entries()) {
      if (answer.status === 200) continue;
      expect(answer.status).toBe(400);
      const { Sequence } = (await answer.json()) as { Sequence: string };
      expect(BigInt(Sequence)).toBeGreaterThan(sequences[i] ?? 0n);
    }
    expect(answers.some(({ status }) => status === 200)).toBe(true);
    expect(await sequenceAt(node, key)).toBe("199");
  });
});
