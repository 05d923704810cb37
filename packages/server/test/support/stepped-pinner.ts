import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { pinKeyOf } from "../../src/pins/pin-key.ts";
import type { Pinner, PinOptions, PinProgress } from "../../src/pins/pinner.ts";

interface HeldPin {
  readonly root: CID;
  readonly recursive: boolean;
  readonly isOurs: boolean;
}

interface Gate {
  readonly key: string;
  readonly open: () => void;
}

/**
 * A repository in which nothing happens by itself: each call stops at a gate before it looks, before it changes something and
 * before it answers, until the test opens that. A pin whose call is broken off at its end is made all the same, later, as Kubo
 * does; calls for one root take turns.
 */
export class SteppedPinner implements Pinner {
  readonly label = "stepped";
  readonly repositoryId = "repository-1";
  readonly held = new Map<string, HeldPin>();
  /** Attempts for these fail at the end. */
  readonly failing = new Set<string>();
  readonly #gates: Gate[] = [];
  readonly #turns = new Map<string, Promise<void>>();

  get gateCount(): number {
    return this.#gates.length;
  }

  /** Whether a call is under way for it, or what one that was broken off left behind. */
  isBusy(root: CID): boolean {
    return this.#turns.has(pinKeyOf(root));
  }

  /** Opens one of those that are closed. */
  open(choice: number): void {
    const [gate] = this.#gates.splice(choice % Math.max(1, this.#gates.length), 1);
    gate?.open();
  }

  async pin(root: CID, { recursive, signal, onAbsent }: PinOptions): Promise<PinProgress> {
    const key = pinKeyOf(root);
    const leave = await this.#enter(key);
    let isMaking: Promise<void> = Promise.resolve();
    try {
      await this.#gate(key, signal);
      const before = this.held.get(key);
      if (before !== undefined && (before.recursive || !recursive)) return NOTHING_NEW;
      if (before === undefined) onAbsent?.();
      await this.#gate(key, signal);
      if (this.failing.has(key)) throw new HoldfastError("CONTENT_NOT_FOUND", "nobody has it");
      isMaking = this.#gate(key).then(() => {
        this.held.set(key, { root, recursive, isOurs: before?.isOurs ?? true });
      });
      await untilAborted(isMaking, signal);
      await this.#gate(key, signal);
      return { blocks: 1, bytes: undefined };
    } finally {
      void isMaking.then(leave);
    }
  }

  async unpin(root: CID, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    const key = pinKeyOf(root);
    const leave = await this.#enter(key);
    try {
      await this.#gate(key, signal);
      this.held.delete(key);
      await this.#gate(key, signal);
    } finally {
      leave();
    }
  }

  async isPinned(root: CID, { recursive }: { readonly recursive: boolean }): Promise<boolean> {
    const pin = this.held.get(pinKeyOf(root));
    return pin !== undefined && (pin.recursive || !recursive);
  }

  async *listPinned({ recursive }: { readonly recursive: boolean }): AsyncGenerator<CID> {
    for (const pin of this.held.values()) if (pin.recursive === recursive) yield pin.root;
  }

  #gate(key: string, signal?: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const gate = { key, open: resolve };
    this.#gates.push(gate);
    if (signal === undefined) return promise;
    return untilAborted(promise, signal).finally(() => {
      const index = this.#gates.indexOf(gate);
      if (index >= 0) this.#gates.splice(index, 1);
    });
  }

  async #enter(key: string): Promise<() => void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = this.#turns.get(key);
    this.#turns.set(key, promise);
    await before;
    return () => {
      if (this.#turns.get(key) === promise) this.#turns.delete(key);
      resolve();
    };
  }
}

const NOTHING_NEW: PinProgress = { blocks: 0, bytes: undefined };

function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    void work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
