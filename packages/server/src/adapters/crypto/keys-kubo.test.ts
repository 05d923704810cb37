import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { ipnsNameOfPublicKey } from "@holdfast/core";
import { base64url } from "multiformats/bases/base64";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeIpnsKey, decodeIpnsKeyPem, encodeIpnsKey, encodeIpnsKeyPem, generateIpnsKey } from "./keys.ts";
import { verifySignature } from "./verify-signature.ts";

const KUBO = resolve(import.meta.dirname, "../../../../../.cache/servers/ipfs");
const isRequired = process.env["TEST_REQUIRE_SERVERS"] === "1";
const isMissing = !existsSync(KUBO) && !isRequired;

describe.skipIf(isMissing)("keys and signatures go back and forth to Kubo (.cache/servers/ipfs)", () => {
  let folder = "";

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "holdfast-keys-kubo-"));
    kubo("init", "--profile=test", "--empty-repo");
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each(["Ed25519", "RSA", "Secp256k1", "ECDSA"] as const)("%s", async (type) => {
    const key = generateIpnsKey(type);
    const keyFile = join(folder, `${type}.key`);
    await writeFile(keyFile, encodeIpnsKey(key));
    expect(kubo("key", "import", "--allow-any-key-type", type, keyFile)).toBe(key.name.text);

    const exported = join(folder, `${type}.exported`);
    kubo("key", "export", "--format=libp2p-protobuf-cleartext", "-o", exported, type);
    expect(decodeIpnsKey(await readFile(exported)).name.text).toBe(key.name.text);

    const dataFile = join(folder, "data");
    await writeFile(dataFile, "what the owner signed");
    const message = new TextEncoder().encode("libp2p-key signed message:what the owner signed");

    const theirs = JSON.parse(kubo("key", "sign", "--enc=json", `--key=${type}`, dataFile)) as {
      Signature: string;
    };
    expect(verifySignature(key.publicKey, message, base64url.decode(theirs.Signature))).toBe(true);

    const ours = base64url.encode(key.sign(message));
    const verdict = kubo("key", "verify", "--enc=json", `--key=${type}`, `--signature=${ours}`, dataFile);
    expect(JSON.parse(verdict)).toMatchObject({ SignatureValid: true });
  });

  test.each(["Ed25519", "RSA"] as const)("PEM, %s", async (type) => {
    const key = generateIpnsKey(type);
    const keyFile = join(folder, `${type}.pem`);
    await writeFile(keyFile, encodeIpnsKeyPem(key));
    const format = "--format=pem-pkcs8-cleartext";
    expect(kubo("key", "import", format, `${type}-pem`, keyFile)).toBe(key.name.text);
    const exported = join(folder, `${type}-exported.pem`);
    kubo("key", "export", format, "-o", exported, `${type}-pem`);
    const { publicKey } = decodeIpnsKeyPem(await readFile(exported, "utf8"));
    expect(ipnsNameOfPublicKey(publicKey).text).toBe(key.name.text);
  });

  function kubo(...args: string[]): string {
    return execFileSync(KUBO, args, {
      env: { ...process.env, IPFS_PATH: join(folder, "repo") },
      stdio: "pipe",
    })
      .toString()
      .trim();
  }
});
