import { isHoldfastError } from "@holdfast/core";
import { fetchFacts, KuboCalls } from "./fetch-facts.ts";
import { type Finding, findProblems } from "./find-problems.ts";

/** A finding as `/ready` shows it. */
export type Warning = Pick<Finding, "id" | "severity" | "is" | "mend">;

interface Parts {
  readonly timers: { after(delayMs: number, callback: () => void): () => void };
  /** Called once for each finding that was not there before. */
  readonly onFound: (finding: Finding) => void;
}

/** Until Kubo answered for the first time, and from then on. */
const RETRY_MS = 10_000;
const LOOK_MS = 600_000;

/**
 * Looks at the Kubo behind us, at the start and every ten minutes, for what loses data or opens it to strangers (R34): automatic GC
 * with a limit that the repo reaches has deleted live data silently. In the background: a Kubo that is away holds nothing up.
 */
export class StartCheck implements AsyncDisposable {
  readonly #parts: Parts;
  readonly #kubo: KuboCalls;
  #found: readonly Finding[] = [];
  #isClosed = false;
  #cancel = (): void => {};
  #looking: Promise<void>;

  constructor(
    parts: Parts,
    { rpcUrl, authorization }: { readonly rpcUrl: string; readonly authorization?: string | undefined },
  ) {
    this.#parts = parts;
    this.#kubo = new KuboCalls(rpcUrl, { callTimeoutMs: 10_000, authorization });
    this.#looking = this.#look();
  }

  /** What was found at the last look that succeeded. */
  warnings(): readonly Warning[] {
    return this.#found.map(({ id, severity, is, mend }) => ({ id, severity, is, mend }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#cancel();
    this.#kubo.close();
    await this.#looking;
  }

  async #look(): Promise<void> {
    let nextMs = LOOK_MS;
    try {
      const found = findProblems(await fetchFacts(this.#kubo)).filter(isGrave);
      const known = new Set(this.#found.map(({ id }) => id));
      this.#found = found;
      for (const finding of found) if (!known.has(finding.id)) this.#parts.onFound(finding);
    } catch (err) {
      if (!isHoldfastError(err)) throw err;
      // That Kubo is away is seen and said elsewhere.
      nextMs = RETRY_MS;
    }
    if (this.#isClosed) return;
    this.#cancel = this.#parts.timers.after(nextMs, () => {
      this.#looking = this.#look();
    });
  }
}

/** GC that is off now may be on after the next restart, so its limit counts either way. */
function isGrave({ id, severity }: Finding): boolean {
  return severity === "critical" || id === "gc-storage-max";
}
