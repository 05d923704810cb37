import { base32 } from "multiformats/bases/base32";
import { base36 } from "multiformats/bases/base36";
import { base58btc } from "multiformats/bases/base58";
import { concatBytes } from "../bytes.ts";
import { HoldfastError } from "../errors.ts";
import { decodeBase58, decodeMultibase } from "../multibase.ts";
import { encodeUtf8 } from "../utf8.ts";
import { decodePublicKey } from "./public-key.ts";
import type { PublicKey } from "./public-key.ts";
import { sha256 } from "./sha256.ts";

let mintName: (multihash: Uint8Array, text: string) => IpnsName;

/**
 * An IPNS name: the multihash of a public key. All spellings of a name give equal `text`.
 * Made by {@link parseIpnsName} and its siblings only.
 *
 * @see https://specs.ipfs.tech/ipns/ipns-record/#ipns-name
 */
export class IpnsName {
  /** The canonical spelling: CIDv1, libp2p-key, base36 (`k51…`, `kzw…`, `k2k4r8…`). The key for maps and stores. */
  readonly text: string;
  readonly #multihash: Uint8Array;

  static {
    mintName = (multihash, text) => new IpnsName(multihash, text);
  }

  private constructor(multihash: Uint8Array, text: string) {
    this.#multihash = multihash;
    this.text = text;
  }

  /** The bytes that identify the name; not to be written to. */
  get multihash(): Uint8Array {
    return this.#multihash;
  }

  /** The key under which routers keep the record: `/ipns/` and the multihash, in bytes. */
  get routingKey(): Uint8Array {
    return concatBytes(ROUTING_PREFIX, this.#multihash);
  }

  /** The key, if the name contains it (Ed25519, Secp256k1); the others must come with the record. */
  get publicKey(): PublicKey | undefined {
    return this.#multihash[0] === IDENTITY ? decodePublicKey(this.#multihash.subarray(2)) : undefined;
  }

  toString(): string {
    return this.text;
  }
}

const PATH_PREFIX = "/ipns/";
const ROUTING_PREFIX = encodeUtf8(PATH_PREFIX);
const CID_V1 = 0x01;
const LIBP2P_KEY = 0x72;
const CID_PREFIX = Uint8Array.of(CID_V1, LIBP2P_KEY);
const IDENTITY = 0x00;
const SHA2_256 = 0x12;
/** Longer keys are hashed. */
const INLINED_KEY_BYTES_MAX = 42;
/** In base 2 the longest name has 369 digits. Whatever is longer is refused before anything looks at it (R7). */
const NAME_LENGTH_MAX = 400;
/** In base 10, the longest of the bases that are slow to decode, it has 116. */
const QUADRATIC_LENGTH_MAX = 120;

/**
 * Reads a name in any spelling: base58btc multihash (`12D3KooW…`, `16Uiu2…`, `Qm…`), or a CIDv1 with the codec
 * libp2p-key in any multibase; with or without `/ipns/` before it. Takes microseconds, whatever the text.
 *
 * @throws HoldfastError `INVALID_NAME`
 * @see https://specs.ipfs.tech/ipns/ipns-record/#ipns-name
 */
export function parseIpnsName(text: string): IpnsName {
  if (text.length > NAME_LENGTH_MAX) throw invalidName(`${text.length} characters are too many`);
  const spelling = text.startsWith(PATH_PREFIX) ? text.slice(PATH_PREFIX.length) : text;
  if (spelling === "") throw invalidName("it is empty");
  if (spelling.startsWith("1") || spelling.startsWith("Qm")) {
    const multihash = decodeBase58(spelling);
    if (multihash === undefined) throw invalidName(`${JSON.stringify(spelling)} is not base58`);
    return ipnsNameOfMultihash(multihash);
  }
  const cidBytes = decodeMultibase(spelling, QUADRATIC_LENGTH_MAX);
  if (cidBytes === undefined) throw invalidName(`${JSON.stringify(spelling)} is neither base58 nor a CID`);
  if (cidBytes[0] !== CID_V1) throw invalidName(`${JSON.stringify(spelling)} is not a CIDv1`);
  if (cidBytes[1] !== LIBP2P_KEY)
    throw invalidName(`${JSON.stringify(spelling)} is not of the codec libp2p-key`);
  const multihash = cidBytes.subarray(2);
  // Digits of base 36 are canonical but for their case: no need to encode them again.
  return /^k/iu.test(spelling) ? nameOf(multihash, spelling.toLowerCase()) : ipnsNameOfMultihash(multihash);
}

/** Takes a copy of the bytes. @throws HoldfastError `INVALID_NAME` */
export function ipnsNameOfMultihash(multihash: Uint8Array): IpnsName {
  return nameOf(multihash, base36.encode(concatBytes(CID_PREFIX, multihash)));
}

/** Takes a copy of the bytes. @throws HoldfastError `INVALID_NAME` */
export function ipnsNameOfRoutingKey(key: Uint8Array): IpnsName {
  if (ROUTING_PREFIX.some((byte, i) => key[i] !== byte))
    throw invalidName("the routing key is not one of IPNS");
  return ipnsNameOfMultihash(key.subarray(ROUTING_PREFIX.length));
}

export function ipnsNameOfPublicKey(key: PublicKey): IpnsName {
  return ipnsNameOfMultihash(multihashOfPublicKey(key));
}

/** Inlines a short key, hashes a long one. @see https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md#peer-ids */
export function multihashOfPublicKey({ protobuf }: PublicKey): Uint8Array {
  return protobuf.length <= INLINED_KEY_BYTES_MAX
    ? concatBytes(Uint8Array.of(IDENTITY, protobuf.length), protobuf)
    : concatBytes(Uint8Array.of(SHA2_256, 32), sha256(protobuf));
}

/** `base58btc` is the peer-ID form without multibase prefix (`12D3KooW…`, `Qm…`); the others are CIDs. */
export function formatIpnsName(name: IpnsName, base: "base36" | "base32" | "base58btc"): string {
  switch (base) {
    case "base36":
      return name.text;
    case "base32":
      return base32.encode(concatBytes(CID_PREFIX, name.multihash));
    case "base58btc":
      return base58btc.baseEncode(name.multihash);
  }
}

function nameOf(multihash: Uint8Array, text: string): IpnsName {
  assertNameMultihash(multihash);
  return mintName(new Uint8Array(multihash), text);
}

function assertNameMultihash(multihash: Uint8Array): void {
  const [code, length] = multihash;
  if (length !== multihash.length - 2) throw invalidName("its multihash has the wrong length");
  if (code === SHA2_256) {
    if (length !== 32) throw invalidName("its SHA-256 does not have 32 bytes");
    return;
  }
  if (code !== IDENTITY) throw invalidName("its multihash is neither an inlined key nor a SHA-256");
  if (length > INLINED_KEY_BYTES_MAX) throw invalidName("its inlined key is too long");
  try {
    decodePublicKey(multihash.subarray(2));
  } catch (err) {
    throw invalidName("it does not contain a public key", err);
  }
}

function invalidName(why: string, cause?: unknown): HoldfastError {
  return new HoldfastError("INVALID_NAME", `not an IPNS name: ${why}`, { cause });
}
