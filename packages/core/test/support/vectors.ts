import { readFileSync } from "node:fs";
import { hex } from "./raw-record.ts";

interface VectorFile {
  readonly seed: string;
  readonly names: { readonly k36: string; readonly b32: string; readonly b58: string };
  readonly routing_key_hex: string;
  readonly vectors: readonly { readonly id: string; readonly expect: string; readonly hex: string }[];
}

export const vectorFile = JSON.parse(
  readFileSync(new URL("../vectors/ipns-records.json", import.meta.url), "utf8"),
) as VectorFile;

/** The bytes of the vector with that letter. */
export function vector(letter: string): Uint8Array {
  const found = vectorFile.vectors.find(({ id }) => id.startsWith(`${letter} `));
  if (found === undefined) throw new Error(`there is no vector ${letter}`);
  return hex(found.hex);
}

interface PublishedRecord {
  readonly id: string;
  readonly name: string;
  /** Absent: the record has to be refused. */
  readonly value?: string;
  readonly hex: string;
}

/** The records that the suite of the IPFS gateway specifications publishes. */
export const { records: publishedRecords } = JSON.parse(
  readFileSync(new URL("../vectors/published-records.json", import.meta.url), "utf8"),
) as { readonly records: readonly PublishedRecord[] };
