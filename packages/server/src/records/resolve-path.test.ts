import { HoldfastError } from "@holdfast/core";
import { expect, test } from "vitest";
import { createRecords } from "../../test/support/create-records.ts";
import { createTestName, makeRecord } from "../../test/support/records.ts";
import type { Dnslinks } from "./dnslinks.ts";

const signal = new AbortController().signal;
const CID = "bafkqaddwgevxmmraojswg33smq";

async function chainOf(length: number) {
  const { records, clock } = createRecords([]);
  const keys = Array.from({ length }, () => createTestName());
  for (const [i, key] of keys.entries()) {
    const next = keys[i + 1];
    const value = next === undefined ? `/ipfs/${CID}` : `/ipns/${next.name.text}`;
    await records.publish(key.name, await makeRecord(key, { value }), { origin: "client" });
  }
  return { records, clock, first: keys[0]?.name.text ?? "" };
}

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  const err: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return err instanceof HoldfastError ? err.code : String(err);
};

test("an /ipfs path is its own answer", async () => {
  const { records } = createRecords([]);
  expect(await records.resolvePath(`/ipfs/${CID}/a%20b`, { signal })).toEqual({
    path: `/ipfs/${CID}/a%20b`,
    maxAgeMs: Number.POSITIVE_INFINITY,
    linksMaxAgeMs: Number.POSITIVE_INFINITY,
    resolutions: [],
  });
});

test("names are followed, and the paths inside values and behind names are joined", async () => {
  const { records } = createRecords([]);
  const [outer, inner] = [createTestName(), createTestName()];
  await records.publish(outer.name, await makeRecord(outer, { value: `/ipns/${inner.name.text}/b/` }), {
    origin: "client",
  });
  await records.publish(inner.name, await makeRecord(inner, { value: `/ipfs/${CID}/a` }), {
    origin: "client",
  });
  const resolved = await records.resolvePath(`/ipns/${outer.name.text}/c%2Fd?/`, { signal });
  expect(resolved.path).toBe(`/ipfs/${CID}/a/b/c%2Fd?/`);
  expect(resolved.resolutions).toHaveLength(2);
});

test("an answer may be kept no longer than the shortest freshness on the way, nor past an EOL", async () => {
  const { records, clock } = createRecords([]);
  const key = createTestName();
  const record = await makeRecord(key, { ttlNs: 20_000_000_000n, eolMs: clock.nowMs() + 25_000 });
  await records.publish(key.name, record, { origin: "client" });
  const maxAge = async () => (await records.resolvePath(`/ipns/${key.name.text}`, { signal })).maxAgeMs;
  expect(await maxAge()).toBe(20_000);
  await clock.advance(8_000);
  expect(await maxAge()).toBe(12_000);
  await clock.advance(13_000);
  expect(await maxAge()).toBe(0);
});

test("INV-6: time that passes on the way is not added to how long an answer may be kept", async () => {
  const dnslinks: Dnslinks = {
    async resolve() {
      await clock.advance(15_000);
      return { path: `/ipfs/${CID}`, ttlMs: 8_000 };
    },
    isKnownAbsent: () => false,
  };
  const { records, clock } = createRecords([], { parts: { dnslinks } });
  const key = createTestName();
  const value = "/ipns/example.org";
  const record = await makeRecord(key, { value, ttlNs: 60_000_000_000n, eolMs: clock.nowMs() + 20_000 });
  await records.publish(key.name, record, { origin: "client" });
  const resolved = await records.resolvePath(`/ipns/${key.name.text}`, { signal });
  expect(resolved).toMatchObject({ maxAgeMs: 5_000, linksMaxAgeMs: 8_000 });
});

test("32 names behind each other are followed, one more is refused", async () => {
  const fine = await chainOf(32);
  expect((await fine.records.resolvePath(`/ipns/${fine.first}`, { signal })).path).toBe(`/ipfs/${CID}`);
  const tooDeep = await chainOf(33);
  expect(await codeOf(tooDeep.records.resolvePath(`/ipns/${tooDeep.first}`, { signal }))).toBe(
    "INVALID_PATH",
  );
});

test("names that point at each other are refused", async () => {
  const { records } = createRecords([]);
  const [a, b] = [createTestName(), createTestName()];
  await records.publish(a.name, await makeRecord(a, { value: `/ipns/${b.name.text}` }), { origin: "client" });
  await records.publish(b.name, await makeRecord(b, { value: `/ipns/${a.name.text}` }), { origin: "client" });
  expect(await codeOf(records.resolvePath(`/ipns/${a.name.text}`, { signal }))).toBe("INVALID_PATH");
});

test("what is no name or no content path is refused without asking anybody", async () => {
  const { records } = createRecords([]);
  expect(await codeOf(records.resolvePath("/ipns/undefined", { signal }))).toBe("INVALID_NAME");
  const codes = ["", "/", "/ipns/", "/ipld/x", "ipns/x"].map((path) =>
    codeOf(records.resolvePath(path, { signal })),
  );
  expect(new Set(await Promise.all(codes))).toEqual(new Set(["INVALID_PATH"]));
});

/** A records room whose domains are in a map. What was asked for is noted. */
function withDomains(links: Record<string, { readonly path: string; readonly ttlMs: number } | Error>) {
  const asked: string[] = [];
  const dnslinks: Dnslinks = {
    resolve: (domain, { ask = "if-absent" }) => {
      asked.push(`${domain} ${ask}`);
      const link = links[domain];
      return link instanceof Error ? Promise.reject(link) : Promise.resolve(link);
    },
    isKnownAbsent: () => false,
  };
  return { ...createRecords([], { parts: { dnslinks } }), asked };
}

test("domains are followed, to names and to each other, and the shortest TTL counts", async () => {
  const key = createTestName();
  const { records, asked, clock } = withDomains({
    "a.example": { path: "/ipns/b.example/in-a", ttlMs: 50_000 },
    "b.example": { path: `/ipns/${key.name.text}/in-b`, ttlMs: 7_000 },
  });
  const record = await makeRecord(key, { value: `/ipfs/${CID}/in-record`, eolMs: clock.nowMs() + 3_600_000 });
  await records.publish(key.name, record, { origin: "client" });
  const resolved = await records.resolvePath("/ipns/A.Example./c", { signal, ask: "first" });
  const path = `/ipfs/${CID}/in-record/in-b/in-a/c`;
  expect(resolved).toMatchObject({ path, maxAgeMs: 7_000, linksMaxAgeMs: 7_000 });
  expect(resolved.resolutions).toHaveLength(1);
  expect(asked).toEqual(["a.example first", "b.example first"]);
});

test("domains that link to each other are refused, in a circle and in a chain of more than 32", async () => {
  const circle = withDomains({
    "a.example": { path: "/ipns/B.example", ttlMs: 1 },
    "b.example": { path: "/ipns/a.EXAMPLE.", ttlMs: 1 },
  });
  expect(await codeOf(circle.records.resolvePath("/ipns/a.example", { signal }))).toBe("INVALID_PATH");
  const chain = (length: number) =>
    withDomains(
      Object.fromEntries(
        Array.from({ length }, (_, i) => {
          const path = i + 1 === length ? `/ipfs/${CID}` : `/ipns/d${i + 1}.example`;
          return [`d${i}.example`, { path, ttlMs: 1_000 }];
        }),
      ),
    );
  expect(await chain(32).records.resolvePath("/ipns/d0.example", { signal })).toMatchObject({
    maxAgeMs: 1_000,
  });
  expect(await codeOf(chain(33).records.resolvePath("/ipns/d0.example", { signal }))).toBe("INVALID_PATH");
});

test("a domain without a link is not found, a failure of DNS is told, and without DNS there are no links", async () => {
  const { records, asked } = withDomains({
    "c.example": new HoldfastError("UPSTREAM_TIMEOUT", "DNS is silent"),
  });
  expect(await codeOf(records.resolvePath("/ipns/absent.example/x", { signal }))).toBe("RECORD_NOT_FOUND");
  expect(await codeOf(records.resolvePath("/ipns/c.example", { signal }))).toBe("UPSTREAM_TIMEOUT");
  const without = createRecords([]);
  expect(await codeOf(without.records.resolvePath("/ipns/a.example", { signal }))).toBe("RECORD_NOT_FOUND");
  expect(await codeOf(records.resolvePath("/ipns/undefined", { signal }))).toBe("INVALID_NAME");
  expect(asked).toHaveLength(2);
});
