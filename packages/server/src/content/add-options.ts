import { HoldfastError } from "@holdfast/core";

/** How bytes become a DAG. The same values give the same CIDs as Kubo's `add`. */
export interface AddOptions {
  readonly cidVersion: 0 | 1;
  readonly rawLeaves: boolean;
  readonly chunkBytes: number;
  readonly wrapWithDirectory: boolean;
  /** Computes the CIDs and stores nothing. */
  readonly onlyHash: boolean;
  /** Lines that say how far it is, before the one with the CID. */
  readonly progress: boolean;
  readonly pin: boolean;
  readonly pinName: string | undefined;
}

/** Kubo's own bound (boxo chunker.ChunkSizeLimit): a leaf must fit in a block that peers accept. */
const CHUNK_BYTES_MAX = 2 * 1024 * 1024 - 256;
const CHUNK_BYTES_DEFAULT = 256 * 1024;

/** Would change the CIDs, or promise something else than a stored DAG. Refused rather than ignored. */
const NOT_OFFERED = [
  "trickle",
  "inline",
  "nocopy",
  "fscache",
  "preserve-mode",
  "preserve-mtime",
  "mode",
  "mtime",
  "to-files",
  "max-file-links",
  "max-directory-links",
  "max-hamt-fanout",
] as const;

/**
 * Reads the query of `POST /api/v0/add` with Kubo's rules: booleans in Go's spellings, an empty one means true, unknown
 * options are ignored.
 *
 * @throws HoldfastError `INVALID_ARGUMENT` for a malformed value and for options that would change the CIDs and are not offered.
 * @see protocols.md §2.1, §2.3 `add`
 */
export function parseAddOptions(query: URLSearchParams): AddOptions {
  for (const option of NOT_OFFERED) {
    const value = query.get(option);
    if (value !== null && booleanOf(value) !== false) throw refused(`option "${option}" is not offered`);
  }
  const cidVersion = cidVersionOf(query.get("cid-version"));
  const hash = query.get("hash") ?? "sha2-256";
  if (hash !== "sha2-256") throw refused(`hash "${hash}" is not offered, only sha2-256`);
  return {
    cidVersion,
    rawLeaves: booleanOption(query, "raw-leaves") ?? cidVersion === 1,
    chunkBytes: chunkBytesOf(query.get("chunker")),
    wrapWithDirectory: booleanOption(query, "wrap-with-directory") ?? false,
    onlyHash: booleanOption(query, "only-hash") ?? false,
    progress: booleanOption(query, "progress") ?? false,
    pin: booleanOption(query, "pin") ?? true,
    pinName: pinNameOf(query.get("pin-name")),
  };
}

function cidVersionOf(text: string | null): 0 | 1 {
  if (text === null || text === "0") return 0;
  if (text === "1") return 1;
  throw refused(`unknown CID version "${text}"`);
}

function chunkBytesOf(chunker: string | null): number {
  if (chunker === null || chunker === "" || chunker === "default") return CHUNK_BYTES_DEFAULT;
  const [, digits] = /^size-(\d{1,9})$/.exec(chunker) ?? [];
  if (digits === undefined) throw refused(`chunker "${chunker}" is not offered, only size-{bytes}`);
  const chunkBytes = Number(digits);
  if (chunkBytes === 0 || chunkBytes > CHUNK_BYTES_MAX) {
    throw refused(`chunker "${chunker}": the size must be from 1 to ${CHUNK_BYTES_MAX} bytes`);
  }
  return chunkBytes;
}

/** Kubo's bound, in bytes. */
const PIN_NAME_BYTES_MAX = 255;

/** @throws HoldfastError `INVALID_ARGUMENT`. */
export function pinNameOf(text: string | null): string | undefined {
  if (text === null || text === "") return undefined;
  if (Buffer.byteLength(text) > PIN_NAME_BYTES_MAX) {
    throw refused(`pin name is longer than ${PIN_NAME_BYTES_MAX} bytes`);
  }
  return text;
}

function booleanOption(query: URLSearchParams, name: string): boolean | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const value = booleanOf(text);
  if (value === undefined) {
    throw refused(`could not convert value "${text}" to type "bool" (for option "-${name}")`);
  }
  return value;
}

/** Go's ParseBool, and Kubo's rule that an option without a value is set. */
function booleanOf(text: string): boolean | undefined {
  if (["", "1", "t", "T", "TRUE", "true", "True"].includes(text)) return true;
  if (["0", "f", "F", "FALSE", "false", "False"].includes(text)) return false;
  return undefined;
}

function refused(message: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message);
}
