import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * The node's Nostr key from the file, or a new one that was written to it first: announcements keep their author (R30).
 * The file (64 hex digits) can be read by its owner only, and is there completely or not at all.
 *
 * @returns 32 bytes.
 * @throws when the file cannot be read or does not hold a key: a damaged identity is never replaced silently.
 */
export async function loadNostrSecret(file: string): Promise<Uint8Array> {
  const stored = await readIfPresent(file);
  if (stored !== undefined) {
    if (!/^[0-9a-f]{64}\n?$/.test(stored))
      throw new Error("the node's Nostr key file does not hold a key; restore it or remove it");
    return Buffer.from(stored.trim(), "hex");
  }
  const secret = randomBytes(32);
  await writeDurably(file, `${secret.toString("hex")}\n`);
  return secret;
}

async function readIfPresent(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (err) {
    if (err instanceof Error && "code" in err && err.code === "ENOENT") return undefined;
    throw err;
  }
}

async function writeDurably(file: string, text: string): Promise<void> {
  const folder = dirname(file);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = `${file}.tmp`;
  // What a crash left behind would keep its own mode.
  await rm(temporary, { force: true });
  const out = await open(temporary, "wx", 0o600);
  try {
    await out.writeFile(text);
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
