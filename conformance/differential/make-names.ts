import { createHash, createPrivateKey, type KeyObject } from "node:crypto";
import { createRecord, formatIpnsName } from "@holdfast/core";
import { decodeIpnsKeyPem, type IpnsKey } from "../../packages/server/src/adapters/crypto/keys.ts";
import type { Kubo } from "../../packages/server/test/support/start-kubo.ts";
import { putRecord } from "../../e2e/support/names.ts";
import type { Place } from "./place.ts";

const PKCS8_PREFIX_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex");

/** Signs names for some of the places and puts their records to both; the keys are the same each time. */
export async function makeNames(
  places: readonly Place[],
  { kubo, nodeUrl }: { readonly kubo: Kubo; readonly nodeUrl: string },
): Promise<Place[]> {
  const find = (kind: Place["kind"], at = 0): Place => {
    const found = places.filter((place) => place.kind === kind && place.path.split("/").length === 3)[at];
    if (found === undefined) throw new Error(`there is no ${kind}`);
    return found;
  };
  const publish = async (label: string, value: string, ttlS: number): Promise<IpnsKey> => {
    const key = keyOf(label);
    const record = await createRecord(
      {
        value,
        sequence: 3n,
        eolMs: Date.now() + 86_400_000,
        ttlNs: BigInt(ttlS) * 1_000_000_000n,
        publicKey: key.publicKey,
      },
      (message) => key.sign(message),
    );
    const answer = await putRecord(nodeUrl, key.name, record);
    if (!answer.ok) throw new Error(`our node refused the record of ${label}: ${await answer.text()}`);
    await kubo.routingPut(key.name.text, record);
    return key;
  };
  const [site, file, sharded, document] = [
    find("index", 1),
    find("file", 3),
    find("sharded"),
    find("dag-cbor"),
  ];
  const siteKey = await publish("site", site.path, 300);
  const names: Place[] = [];
  const add = (key: IpnsKey, kind: Place["kind"], tail = "", cid?: string): void => {
    names.push({ path: `/ipns/${key.name.text}${tail}`, kind, ...(cid === undefined ? {} : { cid }) });
  };
  add(siteKey, "index", "", site.cid);
  add(siteKey, "file", "/img/logo.png");
  add(siteKey, "directory", "/about/team");
  add(siteKey, "missing", "/absent");
  const fileKey = await publish("file", file.path, 10);
  add(fileKey, "file", "", file.cid);
  add(await publish("within", `${site.path}/about`, 120), "index");
  add(await publish("sharded", sharded.path, 3600), "sharded", "", sharded.cid);
  add(await publish("document", document.path, 60), "dag-cbor", "", document.cid);
  const chained = await publish("chained", `/ipns/${siteKey.name.text}/about`, 60);
  add(chained, "index");
  add(
    await publish("missing", "/ipfs/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy", 60),
    "missing",
  );
  add(keyOf("nobody published this"), "missing");
  for (const spelling of [
    formatIpnsName(siteKey.name, "base58btc"),
    formatIpnsName(siteKey.name, "base32"),
    formatIpnsName(fileKey.name, "base58btc"),
  ]) {
    names.push(
      { path: `/ipns/${spelling}`, kind: "name" },
      { path: `/ipns/${spelling}/img/logo.png`, kind: "name" },
    );
  }
  names.push(
    { path: "/ipns/k51qzi5uqu5dinvalid", kind: "missing" },
    { path: `/ipns/${site.cid ?? ""}`, kind: "missing" },
  );
  return names;
}

function keyOf(label: string): IpnsKey {
  const seed = createHash("sha256").update(`differential ${label}`).digest();
  const privateKey: KeyObject = createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX_ED25519, seed]),
    format: "der",
    type: "pkcs8",
  });
  return decodeIpnsKeyPem(privateKey.export({ format: "pem", type: "pkcs8" }).toString());
}
