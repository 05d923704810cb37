export interface KuboRpcAddress {
  /** Without login and without the path that all calls have. */
  readonly baseUrl: string;
  /** The whole value of the `Authorization` header: a secret. */
  readonly authorization: string | undefined;
}

/**
 * Where Kubo's RPC is, e.g. `http://user:password@host:5001`, with or without `/api/v0`.
 *
 * @throws Error that does not repeat the text, since a login may stand in it.
 */
export function parseKuboRpcUrl(text: string): KuboRpcAddress {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || `${url.search}${url.hash}` !== "") {
    throw new Error("is not an http(s) URL without query");
  }
  const baseUrl = `${url.origin}${url.pathname}`.replace(/\/+$/, "").replace(/\/api\/v0$/, "");
  return { baseUrl, authorization: loginIn(url) };
}

/**
 * The header that Kubo expects for a secret as it stands in its `API.Authorizations`: `basic:user:password`,
 * `basic:<the two in base64>` or `bearer:token`. Undefined for none, which is the empty text.
 *
 * @throws Error that does not repeat the text.
 * @see https://github.com/ipfs/kubo/blob/master/docs/config.md#apiauthorizations-authsecret
 */
export function parseKuboRpcAuth(text: string): string | undefined {
  if (text === "") return undefined;
  const [, kind, secret = ""] = /^(basic|bearer):(.+)$/s.exec(text) ?? [];
  if (kind === "basic" && secret.includes(":")) return basic(secret);
  // What cannot stand in a header would fail each call, later.
  if (kind === undefined || !/^[\x21-\x7e]+$/.test(secret)) {
    throw new Error("is not basic:user:password or bearer:token");
  }
  return `${kind === "basic" ? "Basic" : "Bearer"} ${secret}`;
}

/** @throws Error that does not repeat the login. */
function loginIn({ username, password }: URL): string | undefined {
  if (username === "" && password === "") return undefined;
  try {
    return basic(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
  } catch {
    // No cause: it would quote the login.
    throw new Error("has a % in its login that must be written %25");
  }
}

function basic(login: string): string {
  return `Basic ${Buffer.from(login).toString("base64")}`;
}
