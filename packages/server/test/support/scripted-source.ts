import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import type { BlockSource } from "../../src/content/block-source.ts";
import type { Block } from "../../src/content/block-store.ts";
import { blockKeyOf } from "../../src/content/block-hash.ts";

export type SourceBehaviour = "honest" | "lies" | "truncates" | "hangs" | "fails" | "away";

/** A network's edge that does what a test says, and remembers what it was asked. */
export class ScriptedSource implements BlockSource {
  readonly label: string;
  readonly asked: { readonly cid: CID; readonly root: CID | undefined; readonly signal: AbortSignal }[] = [];
  behaviour: SourceBehaviour = "honest";
  /** Blocks that behave differently from the rest. */
  readonly exceptions = new Map<string, SourceBehaviour>();
  readonly #blocks = new Map<string, Uint8Array>();
  #held: (() => void)[] | undefined;

  constructor(label: string, blocks: Iterable<Block> = []) {
    this.label = label;
    for (const block of blocks) this.add(block);
  }

  add({ cid, bytes }: Block): void {
    this.#blocks.set(blockKeyOf(cid), bytes);
  }

  behaveFor(cid: CID, behaviour: SourceBehaviour): void {
    this.exceptions.set(blockKeyOf(cid), behaviour);
  }

  /** From now on answers wait for {@link release}. */
  hold(): void {
    this.#held = [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const go of held) go();
  }

  async retrieve(
    cid: CID,
    options: { readonly root?: CID; readonly signal: AbortSignal },
  ): Promise<Uint8Array> {
    const { signal } = options;
    this.asked.push({ cid, root: options.root, signal });
    if (this.#held !== undefined) await new Promise<void>((resolve) => this.#held?.push(resolve));
    const bytes = this.#blocks.get(blockKeyOf(cid));
    switch (this.exceptions.get(blockKeyOf(cid)) ?? this.behaviour) {
      case "honest":
        if (bytes === undefined) throw new HoldfastError("CONTENT_NOT_FOUND", "not here");
        return bytes;
      case "lies":
        return new TextEncoder().encode("these are not the bytes you are looking for");
      case "truncates":
        return (bytes ?? new Uint8Array(1)).subarray(0, -1);
      case "fails":
        throw new Error("500 from the other side");
      case "away":
        throw new HoldfastError("BACKEND_UNAVAILABLE", "restarting");
      case "hangs":
        // Deaf to its signal as well: the worst that can be plugged in.
        return new Promise(() => {});
    }
  }
}
