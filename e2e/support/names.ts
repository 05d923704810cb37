import { createRecord, type IpnsName } from "@holdfast/core";
import { generateIpnsKey, type IpnsKey } from "../../packages/server/src/adapters/crypto/keys.ts";

export interface Publisher {
  readonly key: IpnsKey;
  readonly name: IpnsName;
  /** Signs a record: value, sequence, and by default valid for a day with a TTL of a minute. */
  record(
    value: string,
    sequence: bigint,
    times?: { readonly eolMs?: number; readonly ttlMs?: number },
  ): Promise<Uint8Array>;
}

export function createPublisher(): Publisher {
  const key = generateIpnsKey();
  return {
    key,
    name: key.name,
    record: (value, sequence, times = {}) =>
      createRecord(
        {
          value,
          sequence,
          eolMs: times.eolMs ?? Date.now() + 86_400_000,
          ttlNs: BigInt(times.ttlMs ?? 60_000) * 1_000_000n,
          publicKey: key.publicKey,
        },
        (message) => key.sign(message),
      ),
  };
}

/** Puts a record as browsers and the reference system's clients do. */
export async function putRecord(url: string, name: IpnsName, record: Uint8Array): Promise<Response> {
  const body = new FormData();
  body.set("file", new Blob([Uint8Array.from(record)]), "record");
  return fetch(`${url}/api/v0/routing/put?arg=/ipns/${name.text}`, { method: "POST", body });
}

export interface ReadRecord {
  readonly status: number;
  readonly bytes: Uint8Array;
  readonly headers: Headers;
  readonly tookMs: number;
}

/** Reads a record. `arg` is any spelling, with or without `/ipns/`. */
export async function getRecord(
  url: string,
  arg: string,
  headers: Record<string, string> = {},
): Promise<ReadRecord> {
  const startedAtMs = performance.now();
  const answer = await fetch(`${url}/api/v0/routing/get?arg=${encodeURIComponent(arg)}`, { headers });
  const text = await answer.text();
  const extra = answer.ok ? (JSON.parse(text) as { Extra: string }).Extra : "";
  return {
    status: answer.status,
    bytes: new Uint8Array(Buffer.from(extra, "base64")),
    headers: answer.headers,
    tookMs: performance.now() - startedAtMs,
  };
}

export function sequenceOf(read: ReadRecord): string | null {
  return read.headers.get("x-ipns-sequence");
}
