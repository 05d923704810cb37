import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseIpnsName } from "../src/ipns/name.ts";
import { contentPathOf } from "../src/ipns/record.ts";
import { validateRecord } from "../src/ipns/validate.ts";
import { verifySignature } from "./support/keys.ts";
import { hex } from "./support/raw-record.ts";

interface KuboRecord {
  readonly id: string;
  readonly name: string;
  readonly hex: string;
}

const { records } = JSON.parse(
  readFileSync(new URL("vectors/kubo-records.json", import.meta.url), "utf8"),
) as { readonly records: readonly KuboRecord[] };

test.each(records)(
  "the $id record that Kubo 0.43.0 made is valid",
  async ({ id, name: text, hex: bytes }) => {
    const name = parseIpnsName(text);
    expect(name.text).toBe(text);
    const record = await validateRecord(hex(bytes), name, { nowMs: Date.UTC(2026, 0, 1), verifySignature });
    expect(contentPathOf(record)).toBe("/ipfs/bafkqaaa/x");
    expect([record.sequence, record.ttlNs]).toEqual([0n, 1n]);
    expect(record.validity).toMatch(/^2126-02-24T19:29:/u);
    expect(record.embeddedPublicKey !== undefined).toBe(id.startsWith("RSA"));
  },
);
