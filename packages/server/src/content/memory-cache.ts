import { LRUCache } from "lru-cache";

/** What an entry costs besides its bytes: key, node of the list, ArrayBuffer and view. Empty blocks must cost something too. */
const ENTRY_OVERHEAD_BYTES = 256;

/** The most recently used blocks, bounded by the bytes they hold. */
export class MemoryCache {
  readonly #lru: LRUCache<string, Uint8Array>;

  /** @param bytesMax bound on the sum of all blocks and their overhead; a block larger than an eighth of it is not kept. */
  constructor(bytesMax: number) {
    this.#lru = new LRUCache({
      maxSize: bytesMax,
      maxEntrySize: Math.max(1, Math.floor(bytesMax / 8)),
      sizeCalculation: (bytes) => bytes.byteLength + ENTRY_OVERHEAD_BYTES,
    });
  }

  get(key: string): Uint8Array | undefined {
    return this.#lru.get(key);
  }

  has(key: string): boolean {
    return this.#lru.has(key);
  }

  /** @param bytes must own their whole buffer (see {@link ownBytes}), or the bound is a lie. */
  set(key: string, bytes: Uint8Array): void {
    this.#lru.set(key, bytes);
  }

  /** Bytes held, overhead included. */
  get heldBytes(): number {
    return this.#lru.calculatedSize;
  }
}

/** The bytes as a plain Uint8Array that keeps no larger buffer alive; copies only when it is a part of one. */
export function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? new Uint8Array(bytes.buffer) : new Uint8Array(bytes);
}
