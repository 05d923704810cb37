import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { SUITE } from "./suite.ts";

/** Records that are invalid on purpose: a gateway that takes one has failed. */
const REFUSED_RECORDS = ["_v1_", "_v1-v2-broken-v1-value_", "_v1-v2-broken-signature-v2_"];

/** Takes one file of an RPC request. */
export type PutFile = (path: string, field: string, file: string, bytes: Blob) => Promise<Response>;

export interface ImportOptions {
  /** Kubo answers 200 whatever record it is given, so nothing can be told from that. */
  readonly checksRecords: boolean;
}

export function extractFixtures(folder: string): Promise<unknown> {
  return promisify(execFile)(SUITE, ["extract-fixtures", "--directory", folder, "--merged=false"]);
}

export async function dnslinksOf(fixtures: string): Promise<string> {
  return (await readFile(join(fixtures, "dnslinks.IPFS_NS_MAP"), "utf8")).trim();
}

/** Gives the suite's CARs and records to a server with Kubo's RPC. */
export async function importFixtures(put: PutFile, fixtures: string, options: ImportOptions): Promise<void> {
  for (const file of await readdir(fixtures)) {
    const bytes = new Blob([await readFile(join(fixtures, file))]);
    if (file.endsWith(".car")) await importCar(put, file, bytes);
    else if (file.endsWith(".ipns-record")) await importRecord(put, file, bytes, options);
  }
}

export function putFileTo(rpcUrl: string): PutFile {
  return (path, field, file, bytes) => {
    const body = new FormData();
    body.set(field, bytes, file);
    return fetch(`${rpcUrl}/api/v0/${path}`, { method: "POST", body });
  };
}

async function importCar(put: PutFile, file: string, bytes: Blob): Promise<void> {
  // Some fixtures miss a block on purpose, so their roots cannot be pinned.
  const answer = await put("dag/import?pin-roots=false", "file", file, bytes);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${file} was refused: ${text}`);
}

async function importRecord(put: PutFile, file: string, bytes: Blob, options: ImportOptions): Promise<void> {
  const name = basename(file, ".ipns-record").split("_")[0] ?? "";
  const answer = await put(`routing/put?arg=/ipns/${name}&allow-offline=true`, "value-file", file, bytes);
  const text = await answer.text();
  const isInvalid = options.checksRecords && REFUSED_RECORDS.some((part) => file.includes(part));
  if (answer.ok === isInvalid) throw new Error(`${file}: status ${answer.status}: ${text}`);
}
