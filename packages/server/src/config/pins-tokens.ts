import { createHash } from "node:crypto";

/** Who may use the Pinning Service API. */
export interface PinsToken {
  /** Whose pins the token shows: its label, or what stands for the token itself. Free of spaces. */
  readonly owner: string;
  /** A secret. */
  readonly token: string;
}

const TOKEN_LENGTH_MIN = 16;

/**
 * A comma list of `label:token` or tokens. Several tokens may have one label: they see the same pins, so that one can be changed
 * for another.
 *
 * @throws Error whose message does not repeat a token.
 */
export function parsePinsTokens(value: string): readonly PinsToken[] {
  const items = value
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
  const tokens = items.map((item) => parseToken(item));
  if (new Set(tokens.map(({ token }) => token)).size < tokens.length) throw new Error("has a token twice");
  return tokens;
}

function parseToken(item: string): PinsToken {
  const [, label, token = ""] = /^(?:([^:]*):)?(.*)$/.exec(item) ?? [];
  if (label !== undefined && !/^[A-Za-z0-9._-]{1,64}$/.test(label)) {
    throw new Error(
      "has a label of other characters than letters, digits, dot, dash and underscore, or of more than 64",
    );
  }
  if (!/^[\x21-\x39\x3b-\x7e]*$/.test(token))
    throw new Error("has a token with a space, a colon or a character beyond ASCII");
  if (token.length < TOKEN_LENGTH_MIN) {
    throw new Error(`has a token of fewer than ${TOKEN_LENGTH_MIN} characters`);
  }
  return { owner: label ?? `token-${createHash("sha256").update(token).digest("hex").slice(0, 16)}`, token };
}
