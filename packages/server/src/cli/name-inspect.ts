import { createReadStream } from "node:fs";
import { parseIpnsName, RECORD_BYTES_MAX } from "@holdfast/core";
import { parseInstant } from "../records/name-history.ts";
import { CliError } from "./cli-error.ts";
import { inspectRecord } from "./inspect-record.ts";
import { nameTable, recordTable } from "./name-tables.ts";

export interface NameInspectOptions {
  /** The node's public URL. */
  readonly url: string;
  readonly history: boolean;
  /** RFC 3339, or milliseconds since 1970. */
  readonly at?: string;
  readonly json: boolean;
  /** A record file, or `-` for standard input; no node is asked. */
  readonly record?: string;
}

const CALL_TIMEOUT_MS = 30_000;
/** Ten records of the largest size are 150 KiB of JSON. */
const ANSWER_BYTES_MAX = 1024 * 1024;

/**
 * Prints what a node knows about a name, or what is in a record file and whether it is valid.
 *
 * @returns the exit code: 0, or 1 when the node has no such record, or the record is not valid.
 * @throws CliError for what was typed wrong and for a node that does not answer; HoldfastError `INVALID_NAME`.
 */
export async function inspectName(
  nameText: string | undefined,
  options: NameInspectOptions,
  write: (text: string) => void,
): Promise<0 | 1> {
  const { json, record } = options;
  const name = nameText === undefined ? undefined : parseIpnsName(nameText);
  if (record !== undefined) {
    const inspected = await inspectRecord(await readRecordFile(record), name);
    write(json ? `${JSON.stringify(inspected, undefined, 2)}\n` : recordTable(inspected));
    return inspected.valid ? 0 : 1;
  }
  if (name === undefined) throw new CliError("give a name, or a record with --record");
  const query = options.at === undefined ? "" : `?at=${instantIn(options.at)}`;
  const path = `/names/${name.text}`;
  const [description, history] = await Promise.all([
    ask(options.url, `${path}${query}`),
    options.history ? ask(options.url, `${path}/history${query}`) : undefined,
  ]);
  const hasAnswer = description.isFound || history?.isFound === true;
  const shown = { ...description.body, ...(history === undefined ? {} : { history: history.body }) };
  write(json ? `${JSON.stringify(shown, undefined, 2)}\n` : nameTable(shown));
  return hasAnswer ? 0 : 1;
}

function instantIn(text: string): number {
  const atMs = parseInstant(text);
  if (atMs === undefined) throw new CliError("--at is neither RFC 3339 nor milliseconds since 1970");
  return atMs;
}

interface Answer {
  readonly isFound: boolean;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A 404 is an answer, too: its body says why there is none. */
async function ask(nodeUrl: string, path: string): Promise<Answer> {
  if (!URL.canParse(path, nodeUrl)) throw new CliError(`--url: ${nodeUrl} is not a URL`);
  const url = new URL(path, nodeUrl);
  let answer: { status: number; text: string };
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(CALL_TIMEOUT_MS) });
    answer = { status: response.status, text: await readBounded(response) };
  } catch (err) {
    throw err instanceof CliError ? err : new CliError(`no answer from ${url.origin}`, { cause: err });
  }
  const body = jsonIn(answer.text);
  const isFound = answer.status === 200;
  if (body === undefined || (!isFound && body["error"] === undefined)) {
    throw new CliError(`${url.origin} answers ${answer.status}, but not as Holdfast does`);
  }
  if (!isFound && answer.status !== 404)
    throw new CliError(`the node refused: ${JSON.stringify(body["error"])}`);
  return { isFound, body };
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) throw new CliError(`${response.url} answers too much`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function jsonIn(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    // Some other server's page.
    return undefined;
  }
}

/** Stops once there is more than a record may have, so that a larger file is refused as what it is. */
async function readRecordFile(file: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    const source: AsyncIterable<Uint8Array> = file === "-" ? process.stdin : createReadStream(file);
    for await (const chunk of source) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > RECORD_BYTES_MAX) break;
    }
  } catch (err) {
    throw new CliError(`${file} cannot be read`, { cause: err });
  }
  return Buffer.concat(chunks);
}
