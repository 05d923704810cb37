import { randomBytes } from "node:crypto";
import { readSecretFile, writeSecretFile } from "../secret-file/secret-file.ts";

/**
 * The node's Nostr key from the file, or a new one that was written to it first: announcements keep their author (R30).
 * The file (64 hex digits) can be read by its owner only, and is there completely or not at all.
 *
 * @returns 32 bytes.
 * @throws when the file cannot be read or does not hold a key: a damaged identity is never replaced silently.
 */
export async function loadNostrSecret(file: string): Promise<Uint8Array> {
  const stored = await readSecretFile(file);
  if (stored !== undefined) {
    const text = Buffer.from(stored).toString("latin1");
    if (!/^[0-9a-f]{64}\n?$/.test(text))
      throw new Error("the node's Nostr key file does not hold a key; restore it or remove it");
    return Buffer.from(text.trim(), "hex");
  }
  const secret = randomBytes(32);
  await writeSecretFile(file, `${secret.toString("hex")}\n`);
  return secret;
}
