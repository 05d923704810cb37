import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isMissing } from "./block-file-names.ts";
import { syncFolder } from "./sync-folder.ts";

/** There from a clean stop to the first change after it. */
const EXACT = "file-bytes";
/** What it was then; after a crash better than nothing until the files have been counted. */
const ESTIMATE = "file-bytes.before";

/**
 * What the files of a vault take together. A clean stop writes it down; after any other one it is counted again, folder by
 * folder, behind everything else. A folder's changes count from the moment in which it has been counted.
 */
export class FileTotal {
  readonly #directory: string;
  #bytes: number;
  /** Those of before the start whose files are not counted yet; undefined when the number is known. */
  #uncounted: Set<string> | undefined;
  #countedBytes = 0;
  #isWrittenDown: boolean;

  /** For whoever writes, before anything is written. @param folders all that there are. */
  static async open(directory: string, folders: readonly string[]): Promise<FileTotal> {
    const exact = folders.length === 0 ? 0 : await readNumber(join(directory, EXACT));
    const bytes = exact ?? (await readNumber(join(directory, ESTIMATE))) ?? 0;
    return new FileTotal(directory, { bytes, uncounted: exact === undefined ? folders : [] });
  }

  private constructor(
    directory: string,
    { bytes, uncounted }: { readonly bytes: number; readonly uncounted: readonly string[] },
  ) {
    this.#directory = directory;
    this.#bytes = bytes;
    this.#isWrittenDown = uncounted.length === 0;
    this.#uncounted = uncounted.length === 0 ? undefined : new Set(uncounted);
  }

  get bytes(): number {
    return Math.max(0, this.#bytes);
  }

  /** Whose files are yet to be counted. */
  get uncounted(): readonly string[] {
    return [...(this.#uncounted ?? [])];
  }

  /** Before the first change: from then on a crash must not find the number of before. */
  async beforeChange(): Promise<void> {
    if (!this.#isWrittenDown) return;
    await rename(join(this.#directory, EXACT), join(this.#directory, ESTIMATE)).catch((err: unknown) => {
      if (!isMissing(err)) throw err;
    });
    await syncFolder(this.#directory);
    this.#isWrittenDown = false;
  }

  change(folder: string, bytes: number): void {
    this.#bytes += bytes;
    if (this.#uncounted?.has(folder) === false) this.#countedBytes += bytes;
  }

  /** Nothing may change in the folder from the look at it to this. */
  noteCounted(folder: string, bytes: number): void {
    this.#uncounted?.delete(folder);
    this.#countedBytes += bytes;
    if (this.#uncounted?.size !== 0) return;
    this.#uncounted = undefined;
    this.#bytes = this.#countedBytes;
  }

  /** When nothing changes any more. */
  async close(): Promise<void> {
    if (this.#isWrittenDown || this.#uncounted !== undefined) return;
    await rm(join(this.#directory, ESTIMATE), { force: true });
    // An empty vault needs no file: looking at no folders takes no time.
    if (this.#bytes > 0) await writeFile(join(this.#directory, EXACT), `${this.#bytes}\n`, { flush: true });
  }
}

async function readNumber(path: string): Promise<number | undefined> {
  try {
    const text = (await readFile(path, "utf8")).trim();
    return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  } catch {
    // Not there, or not readable: then it is counted.
    return undefined;
  }
}
