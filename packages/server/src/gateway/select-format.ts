import { HoldfastError } from "@holdfast/core";

/** `default` is the file, the directory's index or its listing, or the block itself for the codecs that are documents. */
export type Format =
  | "default"
  | "raw"
  | "car"
  | "tar"
  | "dag-json"
  | "dag-cbor"
  | "json"
  | "cbor"
  | "ipns-record";

export const MEDIA_TYPE_BY_FORMAT = {
  raw: "application/vnd.ipld.raw",
  car: "application/vnd.ipld.car",
  tar: "application/x-tar",
  "dag-json": "application/vnd.ipld.dag-json",
  "dag-cbor": "application/vnd.ipld.dag-cbor",
  json: "application/json",
  cbor: "application/cbor",
  "ipns-record": "application/vnd.ipfs.ipns-record",
} as const satisfies Record<Exclude<Format, "default">, string>;

const FORMAT_BY_MEDIA_TYPE: ReadonlyMap<string, Exclude<Format, "default">> = new Map(
  (Object.keys(MEDIA_TYPE_BY_FORMAT) as Exclude<Format, "default">[]).map((format) => [
    MEDIA_TYPE_BY_FORMAT[format],
    format,
  ]),
);

/** Media types that are ours alone: one that we do not know is a mistake, not something to be passed over. */
const VENDOR_PREFIXES = ["application/vnd.ipld", "application/vnd.ipfs"];

export interface Wish {
  readonly format: Format;
  /** Of the media type in `Accept`, when it names this format: `version`, `order`, `dups`. Without `q`. */
  readonly parameters: ReadonlyMap<string, string>;
  /** The URL says it, so it is the URL of this representation alone. */
  readonly isInUrl: boolean;
}

/**
 * Chooses the representation: `?format=` beats `Accept` (IPIP-523), of which the first listed type that names a format counts
 * (boxo's rule; quality values are ignored). An unknown `?format=` is passed over.
 *
 * @throws HoldfastError `INVALID_ARGUMENT` for an unknown `application/vnd.ipld…` or `…ipfs…` type.
 * @see protocols.md §4.3
 */
export function selectFormat(query: URLSearchParams, accept: string | undefined): Wish {
  const accepted = acceptedFormat(accept ?? "");
  const inUrl = formatOf(query.get("format") ?? "");
  if (inUrl !== undefined) {
    const parameters = accepted?.format === inUrl ? accepted.parameters : new Map<string, string>();
    return { format: inUrl, parameters, isInUrl: true };
  }
  if (accepted === undefined) return { format: "default", parameters: new Map(), isInUrl: false };
  if (accepted.format === undefined) {
    throw new HoldfastError("INVALID_ARGUMENT", `unsupported response format "${accepted.mediaType}"`);
  }
  return { format: accepted.format, parameters: accepted.parameters, isInUrl: false };
}

function formatOf(text: string): Exclude<Format, "default"> | undefined {
  return Object.hasOwn(MEDIA_TYPE_BY_FORMAT, text) ? (text as Exclude<Format, "default">) : undefined;
}

interface Accepted {
  readonly mediaType: string;
  /** Undefined: of our vendor trees, and unknown. */
  readonly format: Exclude<Format, "default"> | undefined;
  readonly parameters: ReadonlyMap<string, string>;
}

function acceptedFormat(accept: string): Accepted | undefined {
  for (const item of accept.split(",")) {
    const [type = "", ...texts] = item.split(";");
    const mediaType = type.trim().toLowerCase();
    const format = FORMAT_BY_MEDIA_TYPE.get(mediaType);
    if (format !== undefined || VENDOR_PREFIXES.some((prefix) => mediaType.startsWith(prefix))) {
      return { mediaType, format, parameters: parametersOf(texts) };
    }
  }
  return undefined;
}

function parametersOf(texts: readonly string[]): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const text of texts) {
    const [, name, quoted, token] = /^\s*([\w-]+)\s*=\s*(?:"([^"]*)"|([^\s"]*))\s*$/.exec(text) ?? [];
    if (name === undefined || name.toLowerCase() === "q") continue;
    parameters.set(name.toLowerCase(), quoted ?? token ?? "");
  }
  return parameters;
}
