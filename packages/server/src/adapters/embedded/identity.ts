import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from "@libp2p/crypto/keys";
import type { PrivateKey } from "@libp2p/interface";
import { readSecretFile, writeSecretFile } from "../secret-file/secret-file.ts";

/**
 * The node's private key from the file, or a new Ed25519 key that was written to it first.
 * The file (libp2p `PrivateKey` protobuf) can be read by its owner only, and is there completely or not at all.
 *
 * @throws when the file cannot be read or does not hold a key: a damaged identity is never replaced silently.
 */
export async function loadIdentity(file: string): Promise<PrivateKey> {
  const stored = await readSecretFile(file);
  if (stored !== undefined) {
    try {
      return privateKeyFromProtobuf(stored);
    } catch (cause) {
      throw new Error("the node's key file does not hold a libp2p private key; restore it or remove it", {
        cause,
      });
    }
  }
  const key = await generateKeyPair("Ed25519");
  await writeSecretFile(file, privateKeyToProtobuf(key));
  return key;
}
