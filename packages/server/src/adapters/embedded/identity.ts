import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from "@libp2p/crypto/keys";
import type { PrivateKey } from "@libp2p/interface";

/**
 * The node's private key from the file, or a new Ed25519 key that was written to it first.
 * The file (libp2p `PrivateKey` protobuf) can be read by its owner only, and is there completely or not at all.
 *
 * @throws when the file cannot be read or does not hold a key: a damaged identity is never replaced silently.
 */
export async function loadIdentity(file: string): Promise<PrivateKey> {
  const stored = await readIfPresent(file);
  if (stored !== undefined) {
    try {
      return privateKeyFromProtobuf(stored);
    } catch (cause) {
      throw new Error("the node's key file does not hold a libp2p private key; restore it or remove it", {
        cause,
      });
    }
  }
  const key = await generateKeyPair("Ed25519");
  await writeDurably(file, privateKeyToProtobuf(key));
  return key;
}

async function readIfPresent(file: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(file);
  } catch (err) {
    if (err instanceof Error && "code" in err && err.code === "ENOENT") return undefined;
    throw err;
  }
}

async function writeDurably(file: string, bytes: Uint8Array): Promise<void> {
  const folder = dirname(file);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = `${file}.tmp`;
  // What a crash left behind would keep its own mode.
  await rm(temporary, { force: true });
  const out = await open(temporary, "wx", 0o600);
  try {
    await out.writeFile(bytes);
    await out.sync();
  } finally {
    await out.close();
  }
  await rename(temporary, file);
  const directory = await open(folder, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
