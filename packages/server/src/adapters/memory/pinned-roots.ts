import { CID } from "multiformats/cid";
import type { PinnedRoot, PinnedRoots, PinSource, PinTotals } from "../../content/pinned-roots.ts";

/** Pins that live as long as the process. For tests and for nodes that keep nothing. */
export class MemoryPinnedRoots implements PinnedRoots {
  readonly #pins = new Map<string, PinnedRoot>();

  // Settles later, as any store does, although nothing has to be waited for: callers must not rely on the same turn.
  async add(pins: readonly PinnedRoot[]): Promise<void> {
    for (const pin of pins) {
      const key = keyOf(pin.root);
      const before = this.#pins.get(key);
      const { recursive, name } = pin;
      const merged = {
        ...before,
        recursive: before?.recursive === true || recursive,
        name: name ?? before?.name,
      };
      this.#pins.set(key, { ...pin, ...merged });
    }
  }

  get(root: CID): PinnedRoot | undefined {
    return this.#pins.get(keyOf(root));
  }

  list({ limit, after }: { readonly limit: number; readonly after?: CID }): readonly PinnedRoot[] {
    const start = after === undefined ? "" : keyOf(after);
    return [...this.#pins]
      .filter(([key]) => key > start)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .slice(0, limit)
      .map(([, pin]) => pin);
  }

  totals(): ReadonlyMap<PinSource, PinTotals> {
    const totals = new Map<PinSource, PinTotals>();
    const counted = new Set<string>();
    for (const { root, source, blockBytes } of this.#pins.values()) {
      const { pins, blockBytes: sum } = totals.get(source) ?? { pins: 0, blockBytes: 0 };
      const key = Buffer.from(root.multihash.bytes).toString("latin1");
      const added = blockBytes === undefined || counted.has(key) ? 0 : blockBytes;
      if (blockBytes !== undefined) counted.add(key);
      totals.set(source, { pins: pins + 1, blockBytes: sum + added });
    }
    return totals;
  }
}

/** The same for both versions of a CID. */
function keyOf({ code, multihash }: CID): string {
  return CID.createV1(code, multihash).toString();
}
