import { open } from "node:fs/promises";

/** What was created, renamed or removed in it survives a crash of the machine when this settles. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
