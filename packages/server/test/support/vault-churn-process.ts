import { FileBlockStore } from "../../src/adapters/files/block-store.ts";
import { blockOf, bytesOf } from "./blocks.ts";

/** Run as a process: puts and deletes blocks of both sizes until it is killed, and prints a line each time. */
const [, , directory = ""] = process.argv;
const store = await FileBlockStore.open(directory);
for (let i = 0; ; i++) {
  const blocks = Array.from({ length: 12 }, (_, k) =>
    blockOf(bytesOf(k % 2 === 0 ? 2_000 : 80_000, i * 12 + k)),
  );
  await store.put(blocks);
  await store.delete(blocks.slice(0, 6).map(({ cid }) => cid));
  process.stdout.write(`${i}\n`);
}
