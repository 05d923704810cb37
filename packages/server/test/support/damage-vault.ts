import { readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

export type Damage = "changed" | "truncated" | "emptied";

/** Damages every block in a vault's folder as a failing disk would, behind the back of whoever has it open. */
export async function damageVault(directory: string, damage: Damage = "changed"): Promise<void> {
  for (const file of await largeBlockFiles(directory)) {
    if (damage === "changed") await writeFile(file, changed(await readFile(file)));
    else await truncate(file, damage === "truncated" ? 3 : 0);
  }
  const files = await readdir(directory);
  if (!files.includes("small-blocks.db")) return;
  using db = new DatabaseSync(join(directory, "small-blocks.db"), { timeout: 5_000 });
  const write = db.prepare("UPDATE blocks SET bytes = ? WHERE id = ?");
  for (const { id, bytes } of db.prepare("SELECT id, bytes FROM blocks").all() as unknown as Row[]) {
    const damaged = damage === "changed" ? changed(bytes) : bytes.subarray(0, damage === "truncated" ? 3 : 0);
    write.run(damaged, id);
  }
}

/** How many copies a vault has set aside because they were damaged. */
export async function setAsideCount(directory: string): Promise<number> {
  const names = await readdir(directory);
  const files = names.includes("corrupt") ? (await readdir(join(directory, "corrupt"))).length : 0;
  if (!names.includes("small-blocks.db")) return files;
  using db = new DatabaseSync(join(directory, "small-blocks.db"), { readOnly: true });
  const row = db.prepare("SELECT count(*) AS rows FROM corrupt_blocks").get();
  return files + Number(row?.["rows"]);
}

/** Files that hold one block each. */
export async function largeBlockFiles(directory: string): Promise<string[]> {
  const all = await readdir(directory, { recursive: true, withFileTypes: true });
  return all
    .filter((entry) => entry.isFile() && entry.parentPath !== directory)
    .filter((entry) => !/incoming|corrupt/.test(entry.parentPath))
    .map((entry) => join(entry.parentPath, entry.name));
}

interface Row {
  readonly id: number;
  readonly bytes: Uint8Array;
}

function changed(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte, index) => (index === 1 ? byte ^ 1 : byte));
}
