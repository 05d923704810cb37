import { describe, expect, it } from "vitest";
import { createTestName, makeRecord } from "../../../test/support/records.ts";
import { verifySignature } from "../crypto/verify-signature.ts";
import { ipnsSelector, ipnsValidator } from "./ipns-in-dht.ts";

const validate = ipnsValidator(verifySignature);

describe("the IPNS part of the DHT", () => {
  it("accepts a record of its name, with an inlined and with an embedded key", async () => {
    for (const type of ["Ed25519", "RSA"] as const) {
      const key = createTestName(type);
      const record = await makeRecord(key);
      await expect(Promise.resolve(validate(key.name.routingKey, record))).resolves.toBeUndefined();
    }
  });

  it("refuses a record of another name, a tampered one, an expired one and rubbish", async () => {
    const key = createTestName();
    const record = await makeRecord(key);
    const tampered = Uint8Array.from(record);
    const last = tampered.length - 1;
    tampered[last] = (tampered[last] ?? 0) ^ 1;
    const refused: [Uint8Array, Uint8Array][] = [
      [createTestName().name.routingKey, record],
      [key.name.routingKey, tampered],
      [key.name.routingKey, await makeRecord(key, { eolMs: Date.now() - 1_000 })],
      [key.name.routingKey, new Uint8Array()],
      [new TextEncoder().encode("/ipns/rubbish"), record],
    ];
    for (const [routingKey, bytes] of refused) {
      await expect(async () => validate(routingKey, bytes)).rejects.toMatchObject({ name: "HoldfastError" });
    }
  });

  it("selects the best, wherever it stands", async () => {
    const key = createTestName();
    const records = await Promise.all([2n, 5n, 3n].map((sequence) => makeRecord(key, { sequence })));
    expect(ipnsSelector(key.name.routingKey, records)).toBe(1);
    expect(ipnsSelector(key.name.routingKey, records.toReversed())).toBe(1);
    expect(ipnsSelector(key.name.routingKey, records.slice(2))).toBe(0);
  });
});
