import { CID } from "multiformats/cid";
import { expect, test } from "vitest";
import { MemoryBlockStore } from "../src/adapters/memory/block-store.ts";
import { MemoryPinStore } from "../src/adapters/memory/pin-store.ts";
import { Blocks } from "../src/content/blocks.ts";
import { Vault } from "../src/content/vault.ts";
import type { PinProgress } from "../src/pins/pinner.ts";
import { VaultPinner } from "../src/pins/vault-pinner.ts";
import { Metrics } from "../src/telemetry/metrics.ts";
import { pinnerContract } from "./contracts/pinner.contract.ts";
import { blockOf, bytesOf } from "./support/blocks.ts";
import { dagCborBlock } from "./support/cars.ts";
import { ScriptedSource } from "./support/scripted-source.ts";

const RULES = { storedIsPinned: true, provides: false };

function setUp() {
  const vault = new MemoryBlockStore();
  const other = new ScriptedSource("other");
  const pins = new MemoryPinStore();
  const blocks = new Blocks({ vault, sources: [other], metrics: new Metrics() });
  return { vault, other, pins, blocks, pinner: new VaultPinner({ vault, blocks, pins }) };
}

pinnerContract(
  "our vault",
  async () => {
    const { vault, other, pins, pinner } = setUp();
    const claim = { source: "pin-add", holder: "", name: undefined, createdAtMs: 1 } as const;
    return {
      pinner,
      vault,
      giveToOther: async (_root, blocks) => {
        for (const block of blocks) other.add(block);
      },
      wish: async (root, recursive) =>
        void (await pins.add([{ root, recursive, claim, isStored: false }], RULES)),
      release: async (root) => void (await pins.release(root, claim, 2)),
      [Symbol.asyncDispose]: async () => {},
    };
  },
  { isShared: false },
);

const deep = { recursive: true, signal: new AbortController().signal };

test("R25: what a pin brings is counted also when some of it is here, so that no known leaf lifts its limit", async () => {
  const { vault, other, pinner } = setUp();
  const known = blockOf(bytesOf(1_000, 1));
  const unknown = [2, 3].map((seed) => blockOf(bytesOf(1_000, seed)));
  const inlined = CID.parse("bafkqablimvwgy3y");
  const root = dagCborBlock({ leaves: [inlined, known.cid, ...unknown.map(({ cid }) => cid)] });
  await vault.put([known]);
  for (const block of [root, ...unknown]) other.add(block);
  const seen: (number | undefined)[] = [];
  const onProgress = ({ bytes }: PinProgress): void => void seen.push(bytes);
  const held = await pinner.pin(root.cid, { ...deep, onProgress });
  expect(held).toEqual({ blocks: 5, bytes: root.bytes.byteLength + 2_000 });
  expect(seen).not.toContain(undefined);
});

test("a DAG may have as many blocks as are brought, and one that has more is given up for that", async () => {
  const { vault, other, pins, blocks } = setUp();
  const leaves = [1, 2, 3].map((seed) => blockOf(bytesOf(1_000, seed)));
  const small = dagCborBlock({ leaves: leaves.slice(1).map(({ cid }) => cid) });
  const large = dagCborBlock({ leaves: leaves.map(({ cid }) => cid) });
  for (const block of [small, large, ...leaves]) other.add(block);
  const pinner = new VaultPinner({ vault, blocks, pins }, { nodesMax: 3 });
  expect(await pinner.pin(small.cid, deep)).toMatchObject({ blocks: 3 });
  await expect(pinner.pin(large.cid, deep)).rejects.toMatchObject({
    code: "CONTENT_UNSUPPORTED",
  });
});

test("a vault without room is full, as the disk may be: no pin dies of it", async () => {
  const { vault: store, other, pins, blocks } = setUp();
  const vault = new Vault({ store, metrics: new Metrics() }, { bytesMax: 1_500 });
  using lease = vault.begin();
  const leaf = blockOf(bytesOf(2_000));
  other.add(leaf);
  const pinner = new VaultPinner({ vault: lease, blocks, pins });
  await expect(pinner.pin(leaf.cid, deep)).rejects.toMatchObject({
    code: "STORE_FAILED",
    message: "the vault is full: 0 of 1500 bytes are taken",
  });
});
