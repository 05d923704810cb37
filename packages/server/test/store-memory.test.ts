import { expect, test } from "vitest";
import { MemoryRecordStore } from "../src/adapters/memory/record-store.ts";
import { recordStoreContract } from "./contracts/record-store.contract.ts";
import { createTestName, makeValidatedRecord } from "./support/records.ts";

recordStoreContract("memory", async () => ({
  store: new MemoryRecordStore(),
  reopen: () => Promise.resolve(new MemoryRecordStore()),
  survivesRestart: false,
}));

test("a full memory store refuses further names and still takes records of known ones", async () => {
  await using store = new MemoryRecordStore({ namesMax: 1 });
  const facts = { origin: "client", receivedAtMs: 1 } as const;
  const key = createTestName();
  await store.put(await makeValidatedRecord(key), facts);
  await expect(store.put(await makeValidatedRecord(createTestName()), facts)).rejects.toMatchObject({
    code: "STORE_FAILED",
  });
  const newer = await store.put(await makeValidatedRecord(key, { sequence: 2n }), facts);
  expect(newer.outcome).toBe("stored");
  expect(store.count()).toBe(1);
});
