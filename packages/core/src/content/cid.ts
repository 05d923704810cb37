import { CID } from "multiformats/cid";
import { HoldfastError } from "../errors.ts";
import { decodeBase58, decodeMultibase } from "../multibase.ts";

/**
 * Reads a CID: version 0 (`Qm…`) or version 1 in any multibase. Bounded in time, whatever the text.
 * `toString()` of the result is the canonical text (base58btc, base32), not the given one.
 *
 * @throws HoldfastError `INVALID_CID`
 * @see https://github.com/multiformats/cid#decoding-algorithm
 */
export function parseCid(text: string): CID {
  const isV0 = text.startsWith("Qm");
  const bytes = isV0 ? decodeBase58(text) : decodeMultibase(text);
  if (bytes === undefined) throw invalidCid(text);
  const cid = decodeCid(bytes, text);
  // A version 0 has no multibase prefix. Bytes that differ are numbers in a longer form than needed.
  if ((cid.version === 0) !== isV0 || cid.bytes.length !== bytes.length) throw invalidCid(text);
  return cid;
}

function decodeCid(bytes: Uint8Array, text: string): CID {
  try {
    return CID.decode(bytes);
  } catch (err) {
    throw invalidCid(text, err);
  }
}

function invalidCid(text: string, cause?: unknown): HoldfastError {
  return new HoldfastError("INVALID_CID", `not a CID: ${JSON.stringify(text.slice(0, 100))}`, { cause });
}
