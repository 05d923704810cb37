import { readFile, writeFile } from "node:fs/promises";
import { createRecord, decodeRecord, formatIpnsName, type IpnsName } from "@holdfast/core";
import { decodeIpnsKey, encodeIpnsKey, generateIpnsKey, type IpnsKey } from "../adapters/crypto/keys.ts";
import { CliError } from "./cli-error.ts";
import { printable } from "./printable.ts";

export interface NameCreateOptions {
  readonly key: string;
  readonly value: string;
  readonly sequence?: bigint;
  /** Milliseconds. */
  readonly lifetime: number;
  /** Milliseconds. */
  readonly ttl: number;
  readonly out?: string;
  readonly put?: string;
}

/** Signs a record with a key file, writes it, and puts it to a node if asked. Prints the name and what was done. */
export async function createName(options: NameCreateOptions): Promise<void> {
  if (!/^\/ip[fn]s\/./.test(options.value)) throw new CliError("--value must begin with /ipfs/ or /ipns/");
  const { put: node } = options;
  if (node !== undefined && !(/^https?:/.test(node) && URL.canParse(node)))
    throw new CliError(`--put: ${printable(node)} is not the http:// URL of a node`);
  const key = await atFile("--key", () => readOrMakeKey(options.key));
  const sequence = options.sequence ?? (await nextSequence(key.name, options.put));
  const recordBytes = await createRecord(
    {
      value: options.value,
      sequence,
      eolMs: Date.now() + options.lifetime,
      ttlNs: BigInt(options.ttl) * 1_000_000n,
      publicKey: key.publicKey,
    },
    (message) => key.sign(message),
  );
  const out = options.out ?? `${key.name.text}.ipns-record`;
  await atFile("--out", () => writeFile(out, recordBytes));
  const lines = [
    `name      ${key.name.text}`,
    `          ${formatIpnsName(key.name, "base58btc")}`,
    `value     ${options.value}`,
    `sequence  ${sequence}`,
    `record    ${out} (${recordBytes.length} bytes)`,
  ];
  if (options.put !== undefined) {
    await putRecord(options.put, key.name, recordBytes);
    lines.push(`put to    ${options.put}`);
  }
  process.stdout.write(`${lines.join("\n")}\n`);
}

/** A file that is not to be had is the matter of whoever named it, and not a bug. */
async function atFile<T>(option: string, access: () => Promise<T>): Promise<T> {
  try {
    return await access();
  } catch (err) {
    if (err instanceof Error && "code" in err && "syscall" in err)
      throw new CliError(`${option}: ${err.message}`, { cause: err });
    throw err;
  }
}

async function readOrMakeKey(file: string): Promise<IpnsKey> {
  try {
    return decodeIpnsKey(await readFile(file));
  } catch (err) {
    if (!(err instanceof Error && "code" in err && err.code === "ENOENT")) throw err;
  }
  const key = generateIpnsKey("Ed25519");
  // `wx`: two commands at once must not overwrite each other's key.
  await writeFile(file, encodeIpnsKey(key), { mode: 0o600, flag: "wx" });
  return key;
}

async function nextSequence(name: IpnsName, nodeUrl: string | undefined): Promise<bigint> {
  if (nodeUrl === undefined) return 0n;
  const answer = await ask(new URL(`/api/v0/routing/get?arg=/ipns/${name.text}`, nodeUrl));
  if (answer.status === 404) return 0n;
  if (!answer.ok)
    throw new CliError(`the node refused to say the current sequence: ${await reasonIn(answer)}`);
  const { Extra } = (await answer.json()) as { Extra: string };
  return decodeRecord(Buffer.from(Extra, "base64")).sequence + 1n;
}

async function putRecord(nodeUrl: string, name: IpnsName, recordBytes: Uint8Array): Promise<void> {
  const body = new FormData();
  body.set("value-file", new Blob([Uint8Array.from(recordBytes)]), "record");
  const answer = await ask(new URL(`/api/v0/routing/put?arg=/ipns/${name.text}`, nodeUrl), {
    method: "POST",
    body,
  });
  if (!answer.ok) throw new CliError(`the node refused the record: ${await reasonIn(answer)}`);
}

/** The sentence in an error of the API, or the first line of another server's page. */
async function reasonIn(answer: Response): Promise<string> {
  const text = await answer.text();
  const message = /^\{"Message":("(?:[^"\\]|\\.)*")/.exec(text)?.[1];
  const words = message === undefined ? (text.split("\n", 1)[0] ?? "") : String(JSON.parse(message));
  return `${answer.status} ${printable(words.slice(0, 300))}`;
}

async function ask(url: URL, init: RequestInit = {}): Promise<Response> {
  try {
    return await fetch(url, { ...init, signal: AbortSignal.timeout(30_000) });
  } catch (err) {
    throw new CliError(`no answer from ${url.origin}`, { cause: err });
  }
}
