import { HoldfastError } from "@holdfast/core";

/** Refuses trees in which one name would be two things: the importer would silently keep the last. */
export class TreePaths {
  readonly #files = new Set<string>();
  readonly #directories = new Set<string>();
  readonly #sentDirectories = new Set<string>();
  readonly #isWrapped: boolean;

  constructor(options: { readonly isWrapped: boolean }) {
    this.#isWrapped = options.isWrapped;
  }

  /** Those that were sent as such, not only as a part of a path. */
  get sentDirectories(): readonly string[] {
    return [...this.#sentDirectories];
  }

  addFile(path: string): void {
    this.#addParents(path);
    if (this.#directories.has(path)) throw invalid(`"${path}" was sent as a file and as a directory`);
    // At the top nothing refers to a file by its name: several may share one, as several commands would.
    if (!path.includes("/") && !this.#isWrapped) return;
    if (this.#files.has(path)) throw invalid(`"${path}" was sent twice`);
    this.#files.add(path);
  }

  addDirectory(path: string): void {
    this.#addParents(path);
    if (this.#files.has(path)) throw invalid(`"${path}" was sent as a file and as a directory`);
    this.#directories.add(path);
    this.#sentDirectories.add(path);
  }

  #addParents(path: string): void {
    for (let end = path.indexOf("/"); end >= 0; end = path.indexOf("/", end + 1)) {
      const parent = path.slice(0, end);
      if (this.#files.has(parent)) throw invalid(`"${parent}" was sent as a file and as a directory`);
      this.#directories.add(parent);
    }
  }
}

function invalid(message: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message);
}
