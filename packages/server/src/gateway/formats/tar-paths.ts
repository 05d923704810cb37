import { HoldfastError } from "@holdfast/core";
import type { UnixfsNode } from "../unixfs-node.ts";

/** Symlinks that are remembered in one archive. */
const SYMLINKS_MAX = 100_000;
const PATH_LENGTH_MAX = 32_768;

/**
 * The paths of one archive. A name in a directory may be any text, `../x` included; what would leave the root is refused, and so is
 * what would be written through a symlink of the same archive: whoever unpacks it must not have to be careful.
 *
 * @see https://specs.ipfs.tech/ipips/ipip-0288/#security
 */
export class TarPaths {
  readonly #root: string;
  readonly #symlinks = new Set<string>();

  constructor(root: string) {
    this.#root = root;
  }

  /**
   * Where an entry is written: the root, and the names below it without `.` and `..`.
   *
   * @throws HoldfastError `CONTENT_UNSUPPORTED`.
   */
  add(names: readonly string[], kind: UnixfsNode["kind"]): string {
    const parts: string[] = [this.#root];
    for (const part of names.flatMap((name) => name.split("/"))) {
      if (part.includes("\0")) throw outside();
      if (part === "..") parts.pop();
      else if (part !== "" && part !== ".") parts.push(part);
      if (parts.length === 0) throw outside();
    }
    const path = parts.join("/");
    // An entry of a directory that ends up as the directory itself, or above it, is not below the root.
    if (parts[0] !== this.#root || (names.length > 0 && parts.length < 2)) throw outside();
    if (path.length > PATH_LENGTH_MAX)
      throw new HoldfastError("CONTENT_UNSUPPORTED", "a path in the TAR is too long");
    for (let i = 1; i <= parts.length; i++) {
      if (this.#symlinks.has(parts.slice(0, i).join("/"))) throw outside();
    }
    if (kind === "symlink") this.#remember(path);
    return path;
  }

  #remember(symlink: string): void {
    if (this.#symlinks.size >= SYMLINKS_MAX) {
      throw new HoldfastError(
        "CONTENT_UNSUPPORTED",
        "there are too many symlinks for a TAR, use CAR instead",
      );
    }
    this.#symlinks.add(symlink);
  }
}

function outside(): HoldfastError {
  return new HoldfastError(
    "CONTENT_UNSUPPORTED",
    "relative UnixFS paths outside the root are not allowed, use CAR instead",
  );
}
