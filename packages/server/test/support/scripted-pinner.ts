import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { pinKeyOf } from "../../src/pins/pin-key.ts";
import type { Pinner, PinOptions, PinProgress } from "../../src/pins/pinner.ts";

/** What an attempt at one pin does; what it returns, or throws, is its end. */
export type PinScript = (root: CID, options: PinOptions) => Promise<PinProgress>;

/** A backend whose pins a test scripts; without a script every pin succeeds at once. */
export class ScriptedPinner implements Pinner {
  readonly label = "scripted";
  repositoryId: string | undefined = "repository-1";
  /** Every call fails at once, as one of a backend that is away. */
  isAway = false;
  readonly pinned = new Map<string, { readonly root: CID; readonly recursive: boolean }>();
  /** Roots of the attempts that began, in their order. */
  readonly attempts: CID[] = [];
  readonly unpinned: CID[] = [];
  readonly running = new Set<string>();
  listCalls = 0;
  /** The list ends with an error after so many. */
  listBreaksAfter = Number.POSITIVE_INFINITY;
  readonly #scripts = new Map<string, PinScript>();

  script(root: CID, script: PinScript): void {
    this.#scripts.set(pinKeyOf(root), script);
  }

  async pin(root: CID, options: PinOptions): Promise<PinProgress> {
    const key = pinKeyOf(root);
    this.attempts.push(root);
    this.#assertThere();
    const before = this.pinned.get(key);
    if (before !== undefined && (before.recursive || !options.recursive)) return NOTHING_NEW;
    if (before === undefined) options.onAbsent?.();
    this.running.add(key);
    try {
      const progress = await (this.#scripts.get(key) ?? succeeds)(root, options);
      options.signal.throwIfAborted();
      this.pinned.set(key, { root, recursive: options.recursive });
      return progress;
    } finally {
      this.running.delete(key);
    }
  }

  async unpin(root: CID): Promise<void> {
    this.#assertThere();
    this.unpinned.push(root);
    this.pinned.delete(pinKeyOf(root));
  }

  async isPinned(root: CID, { recursive }: { readonly recursive: boolean }): Promise<boolean> {
    this.#assertThere();
    const pin = this.pinned.get(pinKeyOf(root));
    return pin !== undefined && (pin.recursive || !recursive);
  }

  async *listPinned({ recursive }: { readonly recursive: boolean }): AsyncGenerator<CID> {
    this.#assertThere();
    this.listCalls += 1;
    let given = 0;
    for (const pin of [...this.pinned.values()].filter((one) => one.recursive === recursive)) {
      if (given++ >= this.listBreaksAfter) throw new HoldfastError("BACKEND_UNAVAILABLE", "broken off");
      yield pin.root;
    }
  }

  #assertThere(): void {
    if (this.isAway) throw new HoldfastError("BACKEND_UNAVAILABLE", "the backend is away");
  }
}

const NOTHING_NEW: PinProgress = { blocks: 0, bytes: undefined };

async function succeeds(_root: CID, { onProgress }: PinOptions): Promise<PinProgress> {
  onProgress?.({ blocks: 1, bytes: 10 });
  return { blocks: 1, bytes: 10 };
}

/** Never gets a block. */
export const hangs: PinScript = (_root, { signal }) =>
  new Promise((_resolve, reject) => {
    const onAbort = (): void => {
      reject(signal.reason as Error);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });

export const fails =
  (code: ConstructorParameters<typeof HoldfastError>[0], message = "as scripted"): PinScript =>
  () =>
    Promise.reject(new HoldfastError(code, message));
