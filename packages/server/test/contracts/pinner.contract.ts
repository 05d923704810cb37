import { randomBytes } from "node:crypto";
import { CID } from "multiformats/cid";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Block, BlockStore } from "../../src/content/block-store.ts";
import { createBlock } from "../../src/content/dag-block.ts";
import { encodeDagPb } from "../../src/content/dag-pb.ts";
import type { Pinner, PinProgress } from "../../src/pins/pinner.ts";
import { blockOf } from "../support/blocks.ts";
import { dagCborBlock } from "../support/cars.ts";
import { collect } from "../support/start-embedded.ts";
import { unknownCid } from "./block-source.contract.ts";

export interface PinnerUnderTest extends AsyncDisposable {
  readonly pinner: Pinner;
  /** Ours. */
  readonly vault: Pick<BlockStore, "put">;
  /** Gives blocks to somebody else whom the pinner's repository can reach. */
  readonly giveToOther: (root: CID, blocks: readonly Block[]) => Promise<void>;
  /** A row of our table of pins comes before every pin, and goes before its end. */
  readonly wish: (root: CID, recursive: boolean) => Promise<void>;
  readonly release: (root: CID) => Promise<void>;
  /** Somebody else pins in the same repository; absent where nobody else can. */
  readonly pinByOther?: (root: Block, recursive: boolean) => Promise<void>;
}

/** What every `Pinner` does. One network serves the whole suite; each case has blocks of its own. */
export function pinnerContract(
  label: string,
  create: () => Promise<PinnerUnderTest>,
  {
    isShared,
  }: { /** Others can pin in the same repository: there is a `pinByOther`. */ readonly isShared: boolean },
): void {
  describe(`Pinner contract: ${label}`, { timeout: 90_000 }, () => {
    let subject: PinnerUnderTest;
    beforeAll(async () => {
      subject = await create();
    }, 120_000);
    afterAll(async () => {
      await subject[Symbol.asyncDispose]();
    });
    /** Roots of which the pinner said that there was no pin before. */
    let absent: string[] = [];
    beforeEach(() => {
      absent = [];
    });

    const signal = AbortSignal.timeout(600_000);
    const deep = { recursive: true, signal };
    const shallow = { recursive: false, signal };

    async function pin(root: CID, recursive = true, onProgress?: (progress: PinProgress) => void) {
      await subject.wish(root, recursive);
      const onAbsent = (): void => void absent.push(root.toString());
      const options = { recursive, signal: AbortSignal.timeout(60_000), onAbsent };
      return subject.pinner.pin(root, onProgress === undefined ? options : { ...options, onProgress });
    }

    async function isListed(root: CID, recursive: boolean): Promise<boolean> {
      return (await collect(subject.pinner.listPinned({ recursive, signal }))).some((cid) =>
        cid.equals(root),
      );
    }

    it("pins what is in the vault, and says so when it is asked (R20)", async () => {
      const { root, blocks } = dagOf(5);
      await subject.vault.put(blocks);
      expect(await subject.pinner.isPinned(root.cid, deep)).toBe(false);
      const seen: PinProgress[] = [];
      const pinned = await pin(root.cid, true, (progress) => seen.push(progress));
      expect(pinned.blocks).toBe(blocks.length);
      expect(absent).toEqual([root.cid.toString()]);
      expect(seen.map((progress) => progress.blocks)).toEqual(blocks.map((_block, index) => index + 1));
      expect(await subject.pinner.isPinned(root.cid, deep)).toBe(true);
      expect(await isListed(root.cid, true)).toBe(true);
      expect(await isListed(root.cid, false)).toBe(false);
    });

    it("pins a single block, an empty one, and one that its CID carries", async () => {
      const alone = blockOf(randomBytes(1_000));
      const empty = blockOf("");
      await subject.vault.put([alone, empty]);
      for (const root of [alone.cid, empty.cid, CID.parse("bafkqablimvwgy3y")]) {
        await pin(root);
        expect(await subject.pinner.isPinned(root, deep)).toBe(true);
      }
    });

    it("pins what only the network has, with progress", async () => {
      const { root, blocks } = dagOf(40);
      await subject.giveToOther(root.cid, blocks);
      const seen: PinProgress[] = [];
      await pin(root.cid, true, (progress) => seen.push(progress));
      expect(seen.at(-1)?.blocks).toBe(blocks.length);
      expect(await subject.pinner.isPinned(root.cid, deep)).toBe(true);
    });

    it("pins what is partly in the vault and partly on the network", async () => {
      const { root, blocks } = dagOf(10);
      await subject.vault.put(blocks.slice(0, 4));
      await subject.giveToOther(root.cid, blocks);
      await pin(root.cid);
      expect(await subject.pinner.isPinned(root.cid, deep)).toBe(true);
    });

    it("pins the leaves that are in the vault below a root that only the network has", async () => {
      const { root, blocks } = dagOf(10);
      await subject.vault.put(blocks.slice(1));
      await subject.giveToOther(root.cid, [root]);
      // Whoever has the root has no more than it: a source that is asked for the leaves has to say so.
      await subject.giveToOther(root.cid, blocks);
      await pin(root.cid);
      expect(await subject.pinner.isPinned(root.cid, deep)).toBe(true);
    });

    it("keeps a direct pin without the blocks below it", async () => {
      const { root } = dagOf(3);
      await subject.vault.put([root]);
      await pin(root.cid, false);
      expect(await subject.pinner.isPinned(root.cid, shallow)).toBe(true);
      expect(await subject.pinner.isPinned(root.cid, deep)).toBe(false);
      expect(await isListed(root.cid, false)).toBe(true);
      expect(await isListed(root.cid, true)).toBe(false);
    });

    it("keeps a direct pin of a block that only the network has", async () => {
      const { root } = dagOf(3);
      await subject.giveToOther(root.cid, [root]);
      await pin(root.cid, false);
      expect(await subject.pinner.isPinned(root.cid, shallow)).toBe(true);
    });

    it("takes a pin that is there already for a success, and a recursive one for a direct one", async () => {
      const { root, blocks } = dagOf(3);
      await subject.vault.put(blocks);
      await pin(root.cid);
      await pin(root.cid);
      await subject.pinner.pin(root.cid, shallow);
      expect(await subject.pinner.isPinned(root.cid, deep)).toBe(true);
      expect(await subject.pinner.isPinned(root.cid, shallow)).toBe(true);
    });

    it("makes a direct pin recursive", async () => {
      const { root, blocks } = dagOf(3);
      await subject.vault.put(blocks);
      await pin(root.cid, false);
      await pin(root.cid);
      expect(await subject.pinner.isPinned(root.cid, deep)).toBe(true);
    });

    it("knows one pin under both versions of its CID", async () => {
      const { root, blocks } = dagPbOf(3);
      await subject.vault.put(blocks);
      await pin(root.cid.toV0());
      expect(await subject.pinner.isPinned(root.cid, deep)).toBe(true);
      await subject.release(root.cid);
      await subject.pinner.unpin(root.cid, deep);
      expect(await subject.pinner.isPinned(root.cid.toV0(), deep)).toBe(false);
    });

    // Not skipped where there is nobody: it is no promise of such a repository.
    const others = isShared ? ["somebody"] : [];

    it.each(others)(
      "R33: does not say of a pin that somebody else made that there was none, of whatever kind it is",
      async () => {
        const { pinByOther } = subject;
        if (pinByOther === undefined) throw new Error("it is shared with nobody");
        const { root, blocks } = dagPbOf(3);
        await subject.vault.put(blocks);
        await subject.giveToOther(root.cid, blocks);
        await pinByOther(root, false);
        await pin(root.cid, false);
        await pin(root.cid, true);
        const whole = blockOf(randomBytes(100));
        await pinByOther(whole, true);
        await pin(whole.cid, true);
        await pin(whole.cid, false);
        expect(absent).toEqual([]);
        expect(await subject.pinner.isPinned(root.cid, deep)).toBe(true);
      },
    );

    it.each(others)(
      "R33: knows a pin that somebody else made under the other version of the CID",
      async () => {
        const { pinByOther } = subject;
        if (pinByOther === undefined) throw new Error("it is shared with nobody");
        const { root, blocks } = dagPbOf(0);
        await subject.vault.put(blocks);
        await pinByOther({ ...root, cid: root.cid.toV0() }, true);
        await pin(root.cid);
        expect(absent).toEqual([]);
      },
    );

    it("R33: says that there was none of what was unpinned, and of what could not be pinned", async () => {
      const { root, blocks } = dagOf(2);
      await subject.vault.put(blocks);
      for (let i = 0; i < 2; i++) {
        await pin(root.cid);
        await subject.release(root.cid);
        await subject.pinner.unpin(root.cid, { signal });
      }
      await expect(pin(unknownCid())).rejects.toMatchObject({ code: "CONTENT_NOT_FOUND" });
      expect(absent).toHaveLength(3);
    });

    it("ends a pin of either kind", async () => {
      const { root, blocks } = dagOf(3);
      await subject.vault.put(blocks);
      for (const recursive of [true, false]) {
        await pin(root.cid, recursive);
        await subject.release(root.cid);
        await subject.pinner.unpin(root.cid, { signal });
        expect(await subject.pinner.isPinned(root.cid, shallow)).toBe(false);
      }
    });

    it("ends a pin that an attempt makes although it was broken off", async () => {
      const dags = Array.from({ length: 20 }, () => dagOf(5));
      await subject.vault.put(dags.flatMap(({ blocks }) => blocks));
      await Promise.all(
        dags.map(async ({ root, blocks }) => {
          await subject.wish(root.cid, true);
          const leaving = new AbortController();
          const onProgress = (progress: PinProgress): void => {
            // All of it is on its way.
            if (progress.blocks === blocks.length) setImmediate(() => leaving.abort());
          };
          await subject.pinner
            .pin(root.cid, { recursive: true, signal: leaving.signal, onProgress })
            .catch(() => undefined);
          await subject.release(root.cid);
          await subject.pinner.unpin(root.cid, { signal });
        }),
      );
      for (const { root } of dags) expect(await subject.pinner.isPinned(root.cid, shallow)).toBe(false);
    });

    it("ends a pin, and takes one that does not exist for ended", async () => {
      const { root, blocks } = dagOf(3);
      await subject.vault.put(blocks);
      await pin(root.cid);
      await subject.release(root.cid);
      await subject.pinner.unpin(root.cid, deep);
      expect(await subject.pinner.isPinned(root.cid, deep)).toBe(false);
      expect(await isListed(root.cid, true)).toBe(false);
      await subject.pinner.unpin(root.cid, deep);
      await subject.pinner.unpin(unknownCid(), deep);
    });

    it("pins again what was unpinned", async () => {
      const { root, blocks } = dagOf(2);
      await subject.vault.put(blocks);
      for (let i = 0; i < 2; i++) {
        await pin(root.cid);
        expect(await subject.pinner.isPinned(root.cid, deep)).toBe(true);
        await subject.release(root.cid);
        await subject.pinner.unpin(root.cid, deep);
      }
    });

    it("lists every pin", async () => {
      const many = Array.from({ length: 250 }, () => blockOf(randomBytes(20)));
      await subject.vault.put(many);
      await Promise.all(many.map(({ cid }) => pin(cid)));
      const listed = new Set(
        (await collect(subject.pinner.listPinned({ recursive: true, signal }))).map((cid) => cid.toString()),
      );
      expect(many.filter(({ cid }) => !listed.has(cid.toString()))).toEqual([]);
    });

    it("fails with CONTENT_NOT_FOUND when nobody has the root", async () => {
      for (const recursive of [true, false]) {
        await expect(pin(unknownCid(), recursive)).rejects.toMatchObject({ code: "CONTENT_NOT_FOUND" });
      }
    });

    it("fails with the signal's reason when it aborts, and pins nothing", async () => {
      const { root, blocks } = dagOf(3);
      // One leaf is nowhere: this cannot end by itself.
      await subject.vault.put(blocks.slice(0, -1));
      await subject.wish(root.cid, true);
      const reason = new Error("nobody wants it any more");
      const early = subject.pinner.pin(root.cid, { recursive: true, signal: AbortSignal.abort(reason) });
      await expect(early).rejects.toBe(reason);
      const leaving = new AbortController();
      const onProgress = (): void => leaving.abort(reason);
      const late = subject.pinner.pin(root.cid, { recursive: true, signal: leaving.signal, onProgress });
      await expect(late).rejects.toBe(reason);
      expect(await subject.pinner.isPinned(root.cid, deep)).toBe(false);
    });

    it("pins many at once, also several times the same", async () => {
      const dags = Array.from({ length: 10 }, () => dagOf(10));
      await subject.vault.put(dags.flatMap(({ blocks }) => blocks));
      await Promise.all([...dags, ...dags].map(({ root }) => pin(root.cid)));
      for (const { root } of dags) expect(await subject.pinner.isPinned(root.cid, deep)).toBe(true);
    });

    it("says which repository it is", () => {
      expect(subject.pinner.repositoryId).toMatch(/./);
    });
  });
}

/** A root over that many leaves; the root is the first block. */
function dagOf(leaves: number): { readonly root: Block; readonly blocks: readonly Block[] } {
  const below = Array.from({ length: leaves }, () => blockOf(randomBytes(2_000)));
  const root = dagCborBlock({ leaves: below.map(({ cid }) => cid) });
  return { root, blocks: [root, ...below] };
}

function dagPbOf(leaves: number): { readonly root: Block; readonly blocks: readonly Block[] } {
  const below = Array.from({ length: leaves }, () => blockOf(randomBytes(2_000)));
  const Links = below.map(({ cid }) => new Map([["Hash", cid]]));
  const bytes = encodeDagPb(new Map([["Links", Links]]));
  const root = createBlock(bytes, { version: 1, codecCode: 0x70, hashCode: 0x12 });
  return { root, blocks: [root, ...below] };
}
