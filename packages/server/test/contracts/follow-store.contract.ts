import type { IpnsName } from "@holdfast/core";
import { CID } from "multiformats/cid";
import { describe, expect, onTestFinished, test } from "vitest";
import type { FollowedName, FollowStore } from "../../src/pins/follow/follow-store.ts";
import { blockOf, cidOf } from "../support/blocks.ts";
import { createTestName } from "../support/records.ts";

export interface OpenedFollowStore extends AsyncDisposable {
  readonly store: FollowStore;
  /** Closes the store and opens it again, on the same state if it keeps any. */
  readonly reopen: () => Promise<OpenedFollowStore>;
  readonly survivesRestart: boolean;
}

const rootOf = (text: string): CID => blockOf(text).cid;

/** What every `FollowStore` does. */
export function followStoreContract(adapter: string, open: () => Promise<OpenedFollowStore>): void {
  const openStore = async (): Promise<OpenedFollowStore> => {
    const opened = await open();
    onTestFinished(() => opened[Symbol.asyncDispose]());
    return opened;
  };

  describe(`FollowStore contract: ${adapter}`, () => {
    test("at first nobody is followed, and no change is none", async () => {
      const { store } = await openStore();
      await store.write([]);
      expect(store.page({ after: undefined, limit: 10 })).toEqual([]);
    });

    test("each origin has one wish for a name, the last one", async () => {
      const { store } = await openStore();
      const { name } = createTestName();
      await store.write([
        { kind: "follow", name, origin: "setting", keep: 1, sinceMs: 10 },
        { kind: "follow", name, origin: "admin", keep: 3, sinceMs: 20 },
        { kind: "follow", name, origin: "setting", keep: 2, sinceMs: 30 },
      ]);
      expect(only(store).follows).toEqual([
        { origin: "admin", keep: 3, sinceMs: 20 },
        { origin: "setting", keep: 2, sinceMs: 30 },
      ]);
      await store.write([{ kind: "unfollow", name, origin: "admin" }]);
      expect(only(store).follows.map(({ origin }) => origin)).toEqual(["setting"]);
      await store.write([{ kind: "unfollow", name, origin: "setting" }]);
      expect(store.page({ after: undefined, limit: 10 })).toEqual([]);
    });

    test("versions come newest first, one that comes again is the newest again", async () => {
      const { store } = await openStore();
      const { name } = createTestName();
      await store.write([note(name, "a", 1), note(name, "b", 2), note(name, "c", 3)]);
      expect(versionsOf(only(store))).toEqual(["c 3", "b 2", "a 1"]);
      await store.write([note(name, "a", 4)]);
      expect(versionsOf(only(store))).toEqual(["a 4", "c 3", "b 2"]);
      await store.write([{ kind: "forget-version", name, root: rootOf("c") }]);
      expect(versionsOf(only(store))).toEqual(["a 4", "b 2"]);
      await store.write([note(name, "c", 1)]);
      expect(versionsOf(only(store))).toEqual(["c 1", "a 4", "b 2"]);
    });

    test("both versions of a CID are one root, and another codec is another one", async () => {
      const { store } = await openStore();
      const { name } = createTestName();
      const v1 = cidOf(Buffer.from("a"), 0x70);
      const v0 = CID.createV0(v1.multihash as never);
      const cbor = cidOf(Buffer.from("a"), 0x71);
      const at = (root: CID, seenAtMs: number) => ({ kind: "note-version", name, root, seenAtMs }) as const;
      await store.write([at(v0, 1), at(cbor, 2), at(v1, 3)]);
      expect(only(store).versions.map(({ root }) => root.code)).toEqual([0x70, 0x71]);
      await store.write([{ kind: "forget-version", name, root: v0 }]);
      expect(only(store).versions.map(({ root }) => root.toString())).toEqual([cbor.toString()]);
    });

    test("what is not followed any more stays listed until its last version is forgotten", async () => {
      const { store } = await openStore();
      const { name } = createTestName();
      await store.write([
        { kind: "follow", name, origin: "admin", keep: 1, sinceMs: 1 },
        note(name, "a", 1),
        { kind: "unfollow", name, origin: "admin" },
      ]);
      expect(only(store)).toMatchObject({ follows: [], versions: [{ seenAtMs: 1 }] });
      await store.write([{ kind: "forget-version", name, root: rootOf("a") }]);
      expect(store.page({ after: undefined, limit: 10 })).toEqual([]);
    });

    test("pages have every name once, whatever the names and the page", async () => {
      const { store } = await openStore();
      const names = Array.from(
        { length: 23 },
        (_, i) => createTestName(i % 5 === 0 ? "ECDSA" : "Ed25519").name,
      );
      await store.write(
        names.map((name, i) =>
          i % 2 === 0 ? note(name, "a", 1) : { kind: "follow", name, origin: "admin", keep: 1, sinceMs: 1 },
        ),
      );
      const found: IpnsName[] = [];
      for (;;) {
        const page = store.page({ after: found.at(-1), limit: 5 });
        found.push(...page.map(({ name }) => name));
        if (page.length < 5) break;
      }
      expect(found.map(({ text }) => text).toSorted()).toEqual(names.map(({ text }) => text).toSorted());
    });

    test("what was written is there after a restart, if the store keeps anything", async () => {
      const { store, reopen, survivesRestart } = await openStore();
      const { name } = createTestName();
      await store.write([{ kind: "follow", name, origin: "admin", keep: 2, sinceMs: 5 }, note(name, "a", 7)]);
      const reopened = await reopen();
      onTestFinished(() => reopened[Symbol.asyncDispose]());
      const page = reopened.store.page({ after: undefined, limit: 10 });
      expect(page.map((followed) => followed.name.text)).toEqual(survivesRestart ? [name.text] : []);
    });
  });
}

function note(name: IpnsName, text: string, seenAtMs: number) {
  return { kind: "note-version", name, root: rootOf(text), seenAtMs } as const;
}

function only(store: FollowStore): FollowedName {
  const page = store.page({ after: undefined, limit: 10 });
  expect(page).toHaveLength(1);
  const [followed] = page;
  if (followed === undefined) throw new Error("unreachable");
  return followed;
}

function versionsOf({ versions }: FollowedName): readonly string[] {
  const letters = new Map(["a", "b", "c"].map((text) => [rootOf(text).toString(), text]));
  return versions.map(({ root, seenAtMs }) => `${letters.get(root.toString()) ?? "?"} ${seenAtMs}`);
}
