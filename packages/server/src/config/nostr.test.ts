import { expect, test } from "vitest";
import { ConfigError, readConfig } from "./config.ts";
import { parseAuthors, parseKinds, parsePrivateKey, parseRelays } from "./nostr.ts";

const HEX = "7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e";
const NPUB = "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg";
const NSEC = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5";

test("relays that differ in case or a slash are one", () => {
  expect(parseRelays("wss://Relay.example/, wss://relay.example,ws://127.0.0.1:7000/path")).toEqual([
    "wss://relay.example",
    "ws://127.0.0.1:7000/path",
  ]);
  expect(parseRelays("none")).toEqual([]);
});

test.each([
  "",
  "https://relay.example",
  "relay.example",
  "wss://user:pass@relay.example",
  "wss://relay.example#x",
])("%j is no list of relays", (value) => {
  expect(() => parseRelays(value)).toThrow("ws:// or wss:// URLs");
});

test("authors are keys in either form, and the word open", () => {
  expect(parseAuthors("none")).toEqual({ listed: new Set(), isOpen: false });
  expect(parseAuthors(`${NPUB}, ${HEX}, open`)).toEqual({ listed: new Set([HEX]), isOpen: true });
  expect(() => parseAuthors("somebody")).toThrow("neither 64 hex digits nor npub1");
  expect(() => parseAuthors(NSEC)).toThrow("npub1");
});

test("kinds are numbers, each once", () => {
  expect(parseKinds("30078,78,78")).toEqual([30_078, 78]);
  for (const bad of ["", "70000", "-1", "kind"]) expect(() => parseKinds(bad)).toThrow("event kinds");
});

test("a private key is read in either form, and never shown when it is not one", () => {
  expect(parsePrivateKey("generated")).toBeUndefined();
  expect(parsePrivateKey(NSEC)).toMatch(/^[0-9a-f]{64}$/);
  const secret = "nsec1thisisnotakeybutasecretallthesame";
  let message = "";
  try {
    readConfig({ NOSTR_PRIVATE_KEY: secret });
  } catch (err) {
    message = err instanceof ConfigError ? err.message : "";
  }
  expect(message).toContain("NOSTR_PRIVATE_KEY: the value has a key that is neither");
  expect(message).not.toContain(secret);
});
