import { FileBlockStore } from "../../src/adapters/files/block-store.ts";
import { blockOf, bytesOf } from "./blocks.ts";

/** Run as a process: puts blocks until it is killed, and prints the CID of each that was acknowledged. */
const [, , directory = ""] = process.argv;
const store = await FileBlockStore.open(directory);
for (let i = 0; ; i++) {
  const sizeOf = (k: number): number => (k % 2 === 0 ? 2_000 : 80_000) + k;
  const blocks = Array.from({ length: 16 }, (_, k) => blockOf(bytesOf(sizeOf(k), i * 16 + k)));
  await store.put(blocks);
  // A pipe is written synchronously: what the parent reads was acknowledged before.
  process.stdout.write(`${blocks.map(({ cid }) => cid.toString()).join("\n")}\n`);
}
