import type { CID } from "multiformats/cid";
import { pinKeyOf } from "../../pins/pin-key.ts";
import { Limiter } from "../concurrency/limiter.ts";

/** One at a time for each root, in the order in which they came. */
export class RootTurns {
  readonly #busy = new Map<string, { readonly limiter: Limiter; users: number }>();

  /** Given back by disposing of it. @throws the signal's reason when it aborts before. */
  async enter(root: CID, signal: AbortSignal): Promise<Disposable> {
    const key = pinKeyOf(root);
    const turns = this.#busy.get(key) ?? { limiter: new Limiter(1), users: 0 };
    this.#busy.set(key, turns);
    turns.users++;
    const leave = (): void => {
      if (--turns.users === 0) this.#busy.delete(key);
    };
    try {
      const turn = await turns.limiter.enter(signal);
      return {
        [Symbol.dispose]() {
          turn[Symbol.dispose]();
          leave();
        },
      };
    } catch (err) {
      leave();
      throw err;
    }
  }
}
