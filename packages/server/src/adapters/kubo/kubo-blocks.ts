import { HoldfastError } from "@holdfast/core";
import type { CID } from "multiformats/cid";
import { isBlockOf } from "../../content/block-hash.ts";
import { SUBMITTED_BLOCK_BYTES_MAX } from "../../content/dag-block-limits.ts";
import type { Timers } from "../../telemetry/clock.ts";
import { KuboRefusal } from "./kubo-call.ts";
import type { KuboRpc } from "./kubo-rpc.ts";
import type { KuboGateway } from "./kubo-gateway.ts";
import type { KuboRouting } from "./kubo-routing.ts";

/** For one block, from the request to its last byte. */
const BLOCK_MS_MAX = 30_000;
/** What Kubo holds comes in a millisecond, and what its peers hold within this. */
const SILENT_MS_MAX = 1_500;

const EMPTY = new Uint8Array();
/** Made once: an abort without a reason makes one with a stack, which costs more than the rest of a call. */
const OVER = new Error("the block is there, or nobody waits for it");

interface Parts {
  readonly rpc: KuboRpc;
  /** Asked first for what Kubo holds. */
  readonly gateway: Pick<KuboGateway, "held"> | undefined;
  readonly routing: KuboRouting;
  readonly timers: Timers;
  /** Whether Kubo is connected to anybody. */
  readonly hasPeers: () => Promise<boolean>;
  /** Kubo's own peer id. */
  readonly selfId: () => string | undefined;
}

/** Blocks that Kubo holds or retrieves. */
export class KuboBlocks {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Kubo's `block/get` waits for ever for a block that nobody has. So when it is silent, routing is asked who has it: if
   * nobody does, neither connected peers (they were asked first) nor others, the wait is over. It is over as well when
   * there is nobody to ask.
   */
  async retrieve(cid: CID, { signal }: { readonly signal: AbortSignal }): Promise<Uint8Array> {
    signal.throwIfAborted();
    // Kubos do not send each other an empty block: one that holds none waits for it in vain.
    if (isBlockOf(cid, EMPTY)) return new Uint8Array();
    const held = await this.#parts.gateway?.held(cid, { signal });
    if (held !== undefined) return held;
    signal.throwIfAborted();
    const ended = new AbortController();
    const leave = (): void => ended.abort(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    let isComing = false;
    const end = (reason: Error): void => void (isComing || ended.abort(reason));
    const cancelTimer = this.#parts.timers.after(SILENT_MS_MAX, () => {
      this.#endIfNobodyHas(cid, end, ended.signal).catch(() => {
        // Whether somebody has it cannot be told, so the wait goes on to its own end.
      });
    });
    // A large block may take longer than Kubo may be silent.
    const onBegun = (): void => {
      isComing = true;
      cancelTimer();
    };
    const query = { arg: cid.toString() };
    try {
      return await this.#parts.rpc.bytes(
        {
          kind: "block",
          command: "block/get",
          query,
          msMax: BLOCK_MS_MAX,
          bytesMax: SUBMITTED_BLOCK_BYTES_MAX,
        },
        { signal: ended.signal, onBegun },
      );
    } catch (err) {
      if (err instanceof KuboRefusal && /not found|could not find/.test(err.words)) {
        throw new HoldfastError("CONTENT_NOT_FOUND", "Kubo did not find the block", { cause: err });
      }
      throw err;
    } finally {
      cancelTimer();
      signal.removeEventListener("abort", leave);
      ended.abort(OVER);
    }
  }

  async #endIfNobodyHas(cid: CID, end: (reason: Error) => void, signal: AbortSignal): Promise<void> {
    const { routing, hasPeers, selfId } = this.#parts;
    if (!(await hasPeers())) {
      end(new HoldfastError("BACKEND_UNAVAILABLE", "Kubo is connected to no peer"));
      return;
    }
    // Kubo itself may have announced a block that it lost; one more says that somebody else has it.
    for await (const peer of routing.findProviders(cid, { limit: 2, signal, kind: "absence" })) {
      if (peer.id !== selfId()) return;
    }
    end(new HoldfastError("CONTENT_NOT_FOUND", "no provider of the block is known"));
  }
}
