import { isLoopback, parseListen } from "../config/listen.ts";
import { CliError } from "./cli-error.ts";
import { printable } from "./printable.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export interface NodeAnswer {
  readonly status: number;
  /** Undefined when the body is no JSON object. */
  readonly body: JsonObject | undefined;
  readonly text: string;
}

export interface CallOptions {
  readonly method?: "GET" | "POST" | "DELETE";
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

const TIMEOUT_MS = 30_000;
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
const PROBLEM_CHARS_MAX = 300;

/**
 * Calls a node, on either listener.
 *
 * @param nodeUrl its base URL, with or without a slash at its end.
 * @throws CliError (exit code 2) when it does not answer, or answers too much; the signal's reason when it aborts.
 */
export async function callNode(
  nodeUrl: string,
  path: string,
  options: CallOptions = {},
): Promise<NodeAnswer> {
  const base = nodeUrl.replace(/\/+$/, "");
  const { method = "GET", timeoutMs = TIMEOUT_MS, signal } = options;
  if (!/^https?:/.test(base) || !URL.canParse(`${base}${path}`))
    throw new CliError(`${printable(nodeUrl)} is not the http:// URL of a node`, { exitCode: 2 });
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
    const response = await fetch(`${base}${path}`, { method, signal: either });
    const text = await textOf(response);
    return { status: response.status, body: objectIn(text), text };
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    signal?.throwIfAborted();
    throw new CliError(`no answer from ${base}: does a node listen there?`, { cause, exitCode: 2 });
  }
}

/**
 * As {@link callNode}, for an answer that has to be a JSON object.
 *
 * @throws CliError also when the node refuses: its own words are the message.
 */
export async function askNode(nodeUrl: string, path: string, options: CallOptions = {}): Promise<JsonObject> {
  const { status, body, text } = await callNode(nodeUrl, path, options);
  const isGood = status >= 200 && status < 300;
  if (isGood && body !== undefined) return body;
  if (isGood) throw new CliError(`${nodeUrl} does not answer as a node does`, { exitCode: 2 });
  const words = text.split("\n", 1)[0] ?? "";
  throw new CliError(`the node answers ${status}: ${printable(words.slice(0, PROBLEM_CHARS_MAX))}`);
}

/**
 * Where the admin listener is: as the user says, or as the node of this environment is told to listen.
 *
 * @throws CliError when neither says so.
 */
export function adminUrlOf(
  option: string | undefined,
  env: Readonly<Record<string, string | undefined>> = process.env,
): string {
  if (option !== undefined) return option;
  const text = env["HOLDFAST_ADMIN_LISTEN"] ?? "127.0.0.1:9081";
  const { host, port } = listenIn(text);
  if (port === 0) throw new CliError("HOLDFAST_ADMIN_LISTEN has port 0: say --admin URL");
  // What listens everywhere is reached here.
  const reached =
    isLoopback(host) || !/^(?:0\.0\.0\.0|::)$/.test(host) ? host : host === "::" ? "::1" : "127.0.0.1";
  return `http://${reached.includes(":") ? `[${reached}]` : reached}:${port}`;
}

function listenIn(text: string): ReturnType<typeof parseListen> {
  try {
    return parseListen(text);
  } catch (cause) {
    throw new CliError("HOLDFAST_ADMIN_LISTEN is not host:port", { cause });
  }
}

async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) throw new CliError(`${response.url} answers too much`, { exitCode: 2 });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function objectIn(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    // Some other server's page.
    return undefined;
  }
}
