import { CarReader as ReferenceReader, CarWriter } from "@ipld/car";
import { CID } from "multiformats/cid";
import { create as createDigest } from "multiformats/hashes/digest";
import { describe, expect, test } from "vitest";
import { blockOf, bytesOf, cidOf } from "../../test/support/blocks.ts";
import { carOf, carV2Of, dagCborBlock, inPieces } from "../../test/support/cars.ts";
import { isBlockOf } from "./block-hash.ts";
import type { Block } from "./block-store.ts";
import { CarReader } from "./car-reader.ts";

const LIMITS = { blockBytesMax: 1000 };
const BLOCKS = [blockOf("one"), blockOf(""), blockOf(bytesOf(999)), blockOf(bytesOf(300, 2))];
const ROOTS = [BLOCKS[0]?.cid ?? cidOf(new Uint8Array()), dagCborBlock({ a: 1n }).cid];
const CAR = carOf(ROOTS, BLOCKS);

async function read(
  bytes: Uint8Array,
  pieceBytes = 4096,
  limits = LIMITS,
): Promise<{ roots: readonly CID[]; blocks: Block[] }> {
  const blocks: Block[] = [];
  const car = await CarReader.open(inPieces(bytes, pieceBytes), limits);
  for await (const block of car.blocks()) blocks.push(block);
  return { roots: car.roots, blocks };
}

/** What is read before an error, and the error. */
async function readUntilError(
  bytes: Uint8Array,
  limits = LIMITS,
): Promise<{ blocks: Block[]; err: unknown }> {
  const blocks: Block[] = [];
  try {
    const car = await CarReader.open(inPieces(bytes, 64), limits);
    for await (const block of car.blocks()) blocks.push(block);
    return { blocks, err: undefined };
  } catch (err) {
    return { blocks, err };
  }
}

const texts = (cids: readonly CID[]): string[] => cids.map((cid) => cid.toString());

describe("what is a CAR", () => {
  test.each([1, 2, 3, 7, 64, 65_536])("it is read the same in pieces of %i bytes", async (pieceBytes) => {
    const { roots, blocks } = await read(CAR, pieceBytes);
    expect(texts(roots)).toEqual(texts(ROOTS));
    expect(texts(blocks.map(({ cid }) => cid))).toEqual(texts(BLOCKS.map(({ cid }) => cid)));
    for (const [i, { bytes }] of blocks.entries())
      expect(Buffer.compare(bytes, BLOCKS[i]?.bytes ?? bytes)).toBe(0);
  });

  test("what @ipld/car writes is read, and it reads what we write", async () => {
    const { writer, out } = CarWriter.create([...ROOTS]);
    const pieces: Uint8Array[] = [];
    const collected = (async () => {
      for await (const piece of out) pieces.push(piece);
    })();
    for (const block of BLOCKS) await writer.put(block);
    await writer.close();
    await collected;
    expect(Buffer.compare(Buffer.concat(pieces), CAR)).toBe(0);
    expect((await read(Buffer.concat(pieces))).blocks).toHaveLength(BLOCKS.length);
    const reference = await ReferenceReader.fromBytes(CAR);
    expect(texts(await reference.getRoots())).toEqual(texts(ROOTS));
  });

  test("version 0 CIDs and identity CIDs are read", async () => {
    const bytes = bytesOf(40);
    const v0 = CID.createV0(cidOf(bytes).multihash as never);
    const inlined = CID.createV1(0x55, createDigest(0, bytes));
    const { roots, blocks } = await read(
      carOf(
        [v0],
        [
          { cid: v0, bytes },
          { cid: inlined, bytes },
        ],
      ),
    );
    expect(texts([...roots, ...blocks.map(({ cid }) => cid)])).toEqual(texts([v0, v0, inlined]));
  });

  test("no roots, a header without roots, and no blocks are fine", async () => {
    expect(await read(carOf([], []))).toEqual({ roots: [], blocks: [] });
    const withoutRoots = Buffer.from("0aa16776657273696f6e01", "hex");
    expect(await read(withoutRoots)).toEqual({ roots: [], blocks: [] });
  });

  test.each([
    ["plain", carV2Of(CAR)],
    ["with padding and an index", carV2Of(CAR, { padding: 13, index: bytesOf(70_000) })],
  ])("version 2, %s: the data is read, and the rest of the body too", async (_, car) => {
    let taken = 0;
    async function* counted(): AsyncGenerator<Uint8Array> {
      for await (const piece of inPieces(car, 100)) {
        taken += piece.byteLength;
        yield piece;
      }
    }
    const reader = await CarReader.open(counted(), LIMITS);
    const blocks: Block[] = [];
    for await (const block of reader.blocks()) blocks.push(block);
    expect(blocks).toHaveLength(BLOCKS.length);
    expect(texts(reader.roots)).toEqual(texts(ROOTS));
    expect(taken).toBe(car.byteLength);
  });
});

describe("what is none", () => {
  const wrong = { cid: blockOf("right").cid, bytes: new TextEncoder().encode("wrong") };
  const unknownHash = CID.createV1(0x55, createDigest(0x1e, new Uint8Array(32)));
  const cut = CID.createV1(0x55, createDigest(0x12, cidOf(bytesOf(10)).multihash.digest.subarray(0, 20)));
  const inlined = CID.createV1(0x55, createDigest(0, bytesOf(129)));

  test.each<[string, Uint8Array, RegExp]>([
    ["nothing", new Uint8Array(), /unexpected EOF/],
    ["text", Buffer.from("hello\n"), /header|EOF/],
    ["a header of zero bytes", Uint8Array.of(0), /invalid header/],
    ["a header that is no map", Uint8Array.of(1, 0x80), /not a map/],
    ["a header with other fields", Buffer.from("0ea26776657273696f6e0162787801", "hex"), /header/],
    ["a header of terabytes", Buffer.from("ffffffffffff3f00", "hex"), /beyond allowable maximum/],
    [
      "a header of a MiB and a byte",
      Buffer.concat([Buffer.from("818040", "hex"), Buffer.alloc(2_000_000)]),
      /beyond/,
    ],
    ["an endless number", Buffer.alloc(1000, 0xff), /beyond allowable maximum/],
    ["version 3", Buffer.from("11a265726f6f7473806776657273696f6e03", "hex"), /version: 3/],
    ["version 2 with roots", Buffer.from("11a265726f6f7473806776657273696f6e02", "hex"), /version: 2/],
    ["a section of zero bytes", Buffer.concat([CAR, Buffer.alloc(7)]), /zero bytes/],
    ["a section shorter than its CID", Buffer.concat([CAR, Uint8Array.of(10), bytesOf(10)]), /invalid cid/],
    ["a number in a longer form", Buffer.concat([CAR, Uint8Array.of(0x84, 0x00), bytesOf(4)]), /maximum/],
    ["wrong bytes", carOf([], [wrong]), /mismatch in content integrity/],
    ["a hash that cannot be checked", carOf([], [{ cid: unknownHash, bytes: bytesOf(1) }]), /0x1e cannot/],
    ["a digest that was cut", carOf([], [{ cid: cut, bytes: bytesOf(10) }]), /mismatch/],
    ["129 bytes inline", carOf([], [{ cid: inlined, bytes: bytesOf(129) }]), /at most 128/],
    ["version 2 without data", carV2Of(CAR, { dataBytes: 0 }), /payload size/],
    ["version 2 with data of 2^63", carV2Of(CAR, { dataBytes: 2 ** 63 }), /payload size/],
    ["version 2 with data before its header", carV2Of(CAR, { dataOffset: 50 }), /payload offset/],
    ["version 2 with data behind the end", carV2Of(CAR, { dataOffset: 10_000 }), /unexpected EOF/],
    [
      "version 2 that ends inside a section",
      carV2Of(CAR, { dataBytes: CAR.byteLength - 1 }),
      /unexpected EOF/,
    ],
    ["version 2 that ends inside its header", carV2Of(CAR, { dataBytes: 5 }), /inside its header/],
    ["version 2 that announces more than there is", carV2Of(CAR, { dataBytes: CAR.byteLength + 1 }), /EOF/],
    ["version 2 in version 2", carV2Of(carV2Of(CAR)), /expected 1, got 2/],
  ])("%s is refused as a bad CAR", async (_, bytes, message) => {
    const { err } = await readUntilError(bytes);
    expect(err).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(message) as string,
      details: { reason: "CAR_INVALID" },
    });
  });

  test("blocks before the bad one come, the bad one and those behind it do not", async () => {
    const { blocks, err } = await readUntilError(carOf([], [blockOf("good"), wrong, blockOf("late")]));
    expect(texts(blocks.map(({ cid }) => cid))).toEqual(texts([blockOf("good").cid]));
    expect(err).toBeDefined();
  });

  test("cut anywhere but between two sections, it is refused", async () => {
    const ends = new Set<number>();
    for (let count = 0; count <= BLOCKS.length; count++)
      ends.add(carOf(ROOTS, BLOCKS.slice(0, count)).byteLength);
    for (let length = 0; length < CAR.byteLength; length++) {
      const { err } = await readUntilError(CAR.subarray(0, length));
      expect([length, err === undefined]).toEqual([length, ends.has(length)]);
    }
  });

  test("an error of the body is passed on as it is", async () => {
    const gone = new Error("the client left");
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield CAR.subarray(0, 100);
      throw gone;
    }
    const reading = CarReader.open(broken(), LIMITS).then((car) => Array.fromAsync(car.blocks()));
    await expect(reading).rejects.toBe(gone);
  });
});

describe("R23: the size of a block", () => {
  test.each([
    [999, undefined],
    [1000, undefined],
    [1001, "BODY_TOO_LARGE"],
  ])("%i bytes with a limit of 1,000: %s", async (size, code) => {
    const { err } = await readUntilError(carOf([], [blockOf(bytesOf(size))]));
    expect((err as { code?: string } | undefined)?.code).toBe(code);
  });

  test.each([
    ["30 MiB", "80808009", "BODY_TOO_LARGE"],
    ["gigabytes", "8080808008", "INVALID_ARGUMENT"],
  ])(
    "a section that claims %s is refused before they are sent, and nothing is reserved for it",
    async (_, length, code) => {
      const before = process.memoryUsage().arrayBuffers;
      const claim = Buffer.concat([CAR, Buffer.from(length, "hex")]);
      let asked = 0;
      async function* endless(): AsyncGenerator<Uint8Array> {
        yield claim;
        for (;;) {
          asked++;
          yield new Uint8Array(1024);
        }
      }
      const car = await CarReader.open(endless(), LIMITS);
      await expect(Array.fromAsync(car.blocks())).rejects.toMatchObject({ code });
      expect(asked).toBe(0);
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10_000_000);
    },
  );
});

describe("whatever the bytes", () => {
  /** A small generator with a seed: the same rubbish in every run. */
  function createRandom(seed: number): (below: number) => number {
    let state = seed;
    return (below) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
  }

  function mutated(bytes: Uint8Array, random: (below: number) => number): Uint8Array {
    const copy = Uint8Array.from(bytes);
    for (let i = 0; i <= random(3); i++) {
      const at = random(copy.byteLength);
      const kind = random(3);
      if (kind === 0) copy[at] = (copy[at] ?? 0) ^ (1 << random(8));
      if (kind === 1) copy[at] = random(256);
      if (kind === 2) copy.copyWithin(at, random(copy.byteLength));
    }
    return copy.subarray(0, random(4) === 0 ? random(copy.byteLength) : copy.byteLength);
  }

  test.each([1, 2, 3, 4])("only blocks that are right come out, or a coded error (seed %i)", async (seed) => {
    const random = createRandom(seed);
    const sources = [CAR, carV2Of(CAR, { padding: 3 }), bytesOf(500, seed)];
    let refused = 0;
    for (let round = 0; round < 700; round++) {
      const { blocks, err } = await readUntilError(mutated(sources[round % 3] ?? CAR, random));
      for (const { cid, bytes } of blocks) expect(isBlockOf(cid, bytes)).toBe(true);
      if (err === undefined) continue;
      refused++;
      expect(err).toMatchObject({
        code: expect.stringMatching(/^(INVALID_ARGUMENT|BODY_TOO_LARGE)$/) as string,
      });
    }
    expect(refused).toBeGreaterThan(300);
  });
});
