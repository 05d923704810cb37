import type { IpnsName } from "@holdfast/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RecordRouter } from "../../src/records/lookup/record-router.ts";
import { createTestName, makeRecord } from "../support/records.ts";
import { until } from "../support/until.ts";

export interface RouterUnderTest extends AsyncDisposable {
  readonly router: RecordRouter;
  /** Somebody else on the same network. */
  readonly other: {
    put(name: IpnsName, recordBytes: Uint8Array): Promise<void>;
    get(name: IpnsName): Promise<Uint8Array | undefined>;
  };
}

/** For calls of which an answer is expected. */
const PATIENCE_MS = 60_000;

/** What every `RecordRouter` does. One network serves the whole suite; each case has a name of its own. */
export function recordRouterContract(label: string, create: () => Promise<RouterUnderTest>): void {
  describe(`RecordRouter contract: ${label}`, { timeout: 90_000 }, () => {
    let subject: RouterUnderTest;
    beforeAll(async () => {
      subject = await create();
    }, 120_000);
    afterAll(async () => {
      await subject[Symbol.asyncDispose]();
    });

    async function candidates(name: IpnsName): Promise<Uint8Array[]> {
      const found: Uint8Array[] = [];
      for await (const bytes of subject.router.get(name, { signal: AbortSignal.timeout(PATIENCE_MS) }))
        found.push(bytes);
      return found;
    }

    it("yields nothing for a name that nobody knows, and ends well before its time is up", async () => {
      const startedAtMs = performance.now();
      expect(await candidates(createTestName().name)).toEqual([]);
      expect(performance.now() - startedAtMs).toBeLessThan(PATIENCE_MS / 2);
    });

    it("yields the bytes that somebody else put", async () => {
      const key = createTestName();
      const record = await makeRecord(key);
      await subject.other.put(key.name, record);
      expect((await candidates(key.name)).map(hex)).toContain(hex(record));
    });

    it("puts a record so that somebody else gets the same bytes, and counts who confirmed it", async () => {
      const key = createTestName();
      const record = await makeRecord(key);
      const { confirmedPeers } = await subject.router.put(key.name, record, {
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      expect(confirmedPeers).toBeGreaterThanOrEqual(1);
      await until(async () => {
        expect(hexOf(await subject.other.get(key.name))).toBe(hex(record));
      }, PATIENCE_MS);
    });

    it("gets what it put itself", async () => {
      const key = createTestName("RSA");
      const record = await makeRecord(key);
      await subject.router.put(key.name, record, { signal: AbortSignal.timeout(PATIENCE_MS) });
      expect((await candidates(key.name)).map(hex)).toContain(hex(record));
    });

    it("puts the same record again, and a newer one over it", async () => {
      const key = createTestName();
      const first = await makeRecord(key, { sequence: 1n });
      const second = await makeRecord(key, { sequence: 2n });
      for (const record of [first, first, second]) {
        const { confirmedPeers } = await subject.router.put(key.name, record, {
          signal: AbortSignal.timeout(PATIENCE_MS),
        });
        expect(confirmedPeers).toBeGreaterThanOrEqual(1);
      }
      await until(async () => {
        expect(hexOf(await subject.other.get(key.name))).toBe(hex(second));
      }, PATIENCE_MS);
    });

    it("leaves the caller's bytes alone", async () => {
      const key = createTestName();
      const record = await makeRecord(key);
      const before = hex(record);
      await subject.router.put(key.name, record, { signal: AbortSignal.timeout(PATIENCE_MS) });
      expect(hex(record)).toBe(before);
    });

    it("ends a get early and quietly when the signal aborts", async () => {
      const { name } = createTestName();
      const aborted: Uint8Array[] = [];
      for await (const bytes of subject.router.get(name, { signal: AbortSignal.abort() }))
        aborted.push(bytes);
      expect(aborted).toEqual([]);
      const controller = new AbortController();
      const reading = (async () => {
        for await (const bytes of subject.router.get(name, { signal: controller.signal }))
          aborted.push(bytes);
      })();
      controller.abort();
      await reading;
      expect(aborted).toEqual([]);
    });

    it("fails a put with UPSTREAM_TIMEOUT when the signal aborted before anybody confirmed it", async () => {
      const key = createTestName();
      const put = subject.router.put(key.name, await makeRecord(key), { signal: AbortSignal.abort() });
      await expect(put).rejects.toMatchObject({ name: "HoldfastError", code: "UPSTREAM_TIMEOUT" });
    });

    it("serves many names at once", async () => {
      const names = await Promise.all(
        Array.from({ length: 10 }, async () => {
          const key = createTestName();
          return { name: key.name, record: await makeRecord(key) };
        }),
      );
      await Promise.all(names.map(({ name, record }) => subject.other.put(name, record)));
      const found = await Promise.all(names.map(({ name }) => candidates(name)));
      expect(found.map((c) => c.map(hex))).toEqual(
        names.map(({ record }) => expect.arrayContaining([hex(record)])),
      );
    });
  });
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function hexOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : hex(bytes);
}
