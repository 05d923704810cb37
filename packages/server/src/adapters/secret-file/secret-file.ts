import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** Undefined when there is no such file. @throws whatever else the system says: a secret that cannot be read is not absent. */
export async function readSecretFile(file: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(file);
  } catch (err) {
    if (err instanceof Error && "code" in err && err.code === "ENOENT") return undefined;
    throw err;
  }
}

/** Writes a file that only its owner can read, durably, and completely or not at all. */
export async function writeSecretFile(file: string, content: Uint8Array | string): Promise<void> {
  const folder = dirname(file);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = `${file}.tmp`;
  // What a crash left behind would keep its own mode.
  await rm(temporary, { force: true });
  const out = await open(temporary, "wx", 0o600);
  try {
    await out.writeFile(content);
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
