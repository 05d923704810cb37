import { HoldfastError } from "@holdfast/core";
import { type KuboAnswers, type KuboFacts, readKuboFacts } from "./kubo-facts.ts";

/** Every call; the longest, `repo/stat`, reads one number that Kubo keeps. */
const CALL_TIMEOUT_MS = 20_000;
/** Ten thousand peers are 3 MB. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Fetches and reads what there is to know, all calls at once.
 *
 * @throws HoldfastError `BACKEND_UNAVAILABLE` when nobody answers, or not as Kubo does.
 */
export async function fetchFacts(rpc: KuboCalls): Promise<KuboFacts> {
  // First, alone: whether anybody is there, so that there is one message and not seven.
  const version = await rpc.json("version");
  const [config, repoStat, id, peers, commandLine, rpcNeedsLogin] = await Promise.all([
    rpc.json("config/show"),
    rpc.json("repo/stat?size-only=true"),
    rpc.json("id"),
    // Refused while offline, and perhaps by a proxy: the checks that want them know how to do without.
    rpc.json("swarm/peers").catch(() => undefined),
    rpc.commandLine().catch(() => undefined),
    rpc.needsLogin(),
  ]);
  const answers: KuboAnswers = { version, config, repoStat, id, peers, commandLine, rpcNeedsLogin };
  return readKuboFacts(answers);
}

/**
 * The few calls that the doctor makes, each with a deadline and a bound on the answer. Fails with `BACKEND_UNAVAILABLE`, or
 * `INVALID_ARGUMENT` for a URL that is none.
 */
export class KuboCalls {
  /** Without login: fit to be printed. */
  readonly shownUrl: string;
  readonly #login: string | undefined;
  readonly #callTimeoutMs: number;
  readonly #closing = new AbortController();

  /** @param url of the RPC. A login may stand in it: `http://user:password@host:port`. */
  constructor(
    url: string,
    {
      callTimeoutMs = CALL_TIMEOUT_MS,
      authorization,
    }: { readonly callTimeoutMs?: number | undefined; readonly authorization?: string | undefined } = {},
  ) {
    const base = URL.parse(url);
    if (base === null || !/^https?:$/.test(base.protocol)) {
      throw new HoldfastError("INVALID_ARGUMENT", "--rpc must be an http:// or https:// URL");
    }
    this.#callTimeoutMs = callTimeoutMs;
    this.#login = authorization ?? loginIn(base);
    this.shownUrl = `${base.origin}${base.pathname.replace(/\/+$/, "")}`;
  }

  /** Ends the calls under way. */
  close(): void {
    this.#closing.abort();
  }

  async json(call: string): Promise<unknown> {
    const text = await this.#text("POST", `/api/v0/${call}`, this.#login);
    try {
      return JSON.parse(text);
    } catch {
      // Not worth a cause: where the JSON breaks says nothing when it is some other server's page.
      throw new HoldfastError(
        "BACKEND_UNAVAILABLE",
        `${this.shownUrl} answers, but not as Kubo does (no JSON for ${nameOf(call)})`,
      );
    }
  }

  /** How the daemon was started: the only place that tells of `--enable-gc`. */
  async commandLine(): Promise<readonly string[] | undefined> {
    const words = (await this.#text("GET", "/debug/pprof/cmdline", this.#login)).split("\0");
    return words.includes("daemon") ? words : undefined;
  }

  /** Whether a request without the login is refused. One that never had a login was answered. */
  async needsLogin(): Promise<boolean> {
    if (this.#login === undefined) return false;
    const answer = await this.#ask("POST", "/api/v0/version", undefined);
    await answer.body?.cancel();
    return answer.status === 401 || answer.status === 403;
  }

  async #text(method: string, path: string, login: string | undefined): Promise<string> {
    const answer = await this.#ask(method, path, login);
    const text = await this.#readBounded(answer, path);
    if (answer.ok) return text;
    if (answer.status === 401 || answer.status === 403) {
      throw new HoldfastError(
        "BACKEND_UNAVAILABLE",
        `${this.shownUrl} refuses ${nameOf(path)} (${answer.status}): give the login of API.Authorizations as http://user:password@host:port`,
      );
    }
    throw new HoldfastError(
      "BACKEND_UNAVAILABLE",
      `${this.shownUrl} answers ${answer.status} to ${nameOf(path)}${messageIn(text)}`,
    );
  }

  async #ask(method: string, path: string, login: string | undefined): Promise<Response> {
    try {
      return await fetch(`${this.shownUrl}${path}`, {
        method,
        redirect: "error",
        headers: login === undefined ? {} : { authorization: login },
        signal: AbortSignal.any([AbortSignal.timeout(this.#callTimeoutMs), this.#closing.signal]),
      });
    } catch (err) {
      throw this.#noAnswer(path, err);
    }
  }

  async #readBounded(answer: Response, path: string): Promise<string> {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    try {
      for await (const chunk of answer.body ?? []) {
        bytes += chunk.length;
        if (bytes > ANSWER_BYTES_MAX) break;
        chunks.push(chunk);
      }
    } catch (err) {
      throw this.#noAnswer(path, err);
    }
    if (bytes > ANSWER_BYTES_MAX)
      throw new HoldfastError("BACKEND_UNAVAILABLE", `${this.shownUrl} answers too much to ${nameOf(path)}`);
    return Buffer.concat(chunks).toString("utf8");
  }

  #noAnswer(path: string, cause: unknown): HoldfastError {
    const isLate = cause instanceof Error && cause.name === "TimeoutError";
    const reason = isLate ? `within ${this.#callTimeoutMs / 1000} s` : `(${reasonOf(cause)})`;
    return new HoldfastError(
      "BACKEND_UNAVAILABLE",
      `no answer from ${this.shownUrl} to ${nameOf(path)} ${reason}: does Kubo run there?`,
      {
        cause,
      },
    );
  }
}

function loginIn({ username, password }: URL): string | undefined {
  if (username === "" && password === "") return undefined;
  try {
    const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    return `Basic ${Buffer.from(login).toString("base64")}`;
  } catch {
    // No cause: it would quote the login.
    throw new HoldfastError("INVALID_ARGUMENT", "--rpc: a % in the login must be written %25");
  }
}

/** `/api/v0/config?arg=…` → `config`. */
const nameOf = (path: string): string => path.replace(/^\/api\/v0\//, "").replace(/\?.*$/s, "");

/** fetch hides what happened (ECONNREFUSED, a redirect) in its cause. */
function reasonOf(err: unknown): string {
  const inner = err instanceof Error && err.cause instanceof Error ? err.cause : err;
  if (inner instanceof Error && "code" in inner && typeof inner.code === "string") return inner.code;
  return inner instanceof Error ? inner.message : String(inner);
}

/** Kubo's own words for a failure, if that is what the answer is. */
function messageIn(text: string): string {
  try {
    const { Message } = JSON.parse(text) as { Message?: unknown };
    return typeof Message === "string" ? `: ${Message.slice(0, 200)}` : "";
  } catch {
    // Some other server's page says nothing worth repeating.
    return "";
  }
}
