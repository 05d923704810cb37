/** Puts distinct signed records at a steady rate, in a process of its own so that it can be pinned away from the server. */
import { sendLoad } from "../../e2e/support/load.ts";
import { createPublisher } from "../../e2e/support/names.ts";

const [, , url = "", perSecondText = "", secondsText = ""] = process.argv;
const perSecond = Number(perSecondText);
const seconds = Number(secondsText);

const publishers = Array.from({ length: 50 }, () => createPublisher());
const base = BigInt(Date.now());
const puts = await Promise.all(
  Array.from({ length: perSecond * seconds }, async (_, i) => {
    const publisher = publishers[i % publishers.length] ?? createPublisher();
    return { name: publisher.name.text, record: await publisher.record("/ipfs/bafkqaaa", base + BigInt(i)) };
  }),
);
process.stdout.write("ready\n");
const result = await sendLoad(
  url,
  (i) => ({
    method: "POST",
    path: `/api/v0/routing/put?arg=/ipns/${puts[i]?.name ?? ""}`,
    headers: { "content-type": "application/octet-stream" },
    body: puts[i]?.record ?? new Uint8Array(),
  }),
  { perSecond, seconds, connections: 16 },
);
process.stdout.write(`${JSON.stringify(result.statuses)}\n`);
