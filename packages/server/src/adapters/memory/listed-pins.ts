import type { ListedPins, ListedPinsPage } from "../../pins/list/pin-list.ts";
import type { MemoryPinStore } from "./pin-store.ts";

/** What the pin list claims in a `MemoryPinStore`. */
export class MemoryListedPins implements ListedPins {
  readonly #store: MemoryPinStore;

  constructor(store: MemoryPinStore) {
    this.#store = store;
  }

  page({ after, limit }: Parameters<ListedPins["page"]>[0]): ListedPinsPage {
    const { pins, next } = this.#store.list({ after, limit });
    const roots = pins.map(({ root }) => root);
    return { roots: roots.filter((root) => this.#store.claims(root).some(isListed)), next };
  }
}

function isListed({ source }: { readonly source: string }): boolean {
  return source === "pin-list";
}
