import { hash } from "node:crypto";
import { type IpnsName, recordProblemOf, validateRecord, type VerifySignature } from "@holdfast/core";
import { LRUCache } from "lru-cache";

export interface SuspectCheckOptions {
  /** Signatures checked a second, over all names. */
  readonly checksPerSecondMax: number;
  readonly checksUnderWayMax: number;
  /** Between two checks for one name. */
  readonly nameIntervalMs: number;
  /** Verdicts that are remembered, by the record's digest. */
  readonly verdictsMax: number;
}

/**
 * Checks signatures of records that were turned away without one, to know whether anybody but the owner could have made
 * them. That is worth a little work and not more: a flood of them must not keep the verifier from records that may win.
 */
export class SuspectChecks {
  readonly #verifySignature: VerifySignature;
  readonly #options: SuspectCheckOptions;
  readonly #verdicts: LRUCache<string, boolean>;
  readonly #checkedAtMs: LRUCache<string, number>;
  #underWay = 0;
  #secondBegunMs = 0;
  #checksThisSecond = 0;

  constructor(verifySignature: VerifySignature, options: SuspectCheckOptions) {
    this.#verifySignature = verifySignature;
    this.#options = options;
    this.#verdicts = new LRUCache({ max: options.verdictsMax });
    this.#checkedAtMs = new LRUCache({ max: options.verdictsMax });
  }

  /**
   * Whether the key of the name signed these bytes, whatever their EOL; undefined when that was not checked.
   *
   * @returns the verdict itself when it is known, else a promise: a flood costs no promises.
   */
  isGenuine(
    name: IpnsName,
    recordBytes: Uint8Array,
    nowMs: number,
  ): boolean | undefined | Promise<boolean | undefined> {
    const digest = `${hash("sha256", recordBytes, "base64url")} ${name.text}`;
    const known = this.#verdicts.get(digest);
    if (known !== undefined) return known;
    if (!this.#mayCheck(name, nowMs)) return undefined;
    this.#checkedAtMs.set(name.text, nowMs);
    this.#checksThisSecond++;
    return this.#check(name, recordBytes, digest);
  }

  #mayCheck(name: IpnsName, nowMs: number): boolean {
    const { checksPerSecondMax, checksUnderWayMax, nameIntervalMs } = this.#options;
    // A clock that was set back begins a new second, too.
    if (Math.abs(nowMs - this.#secondBegunMs) >= 1_000) {
      this.#secondBegunMs = nowMs;
      this.#checksThisSecond = 0;
    }
    if (this.#checksThisSecond >= checksPerSecondMax || this.#underWay >= checksUnderWayMax) return false;
    const checkedAtMs = this.#checkedAtMs.get(name.text);
    return checkedAtMs === undefined || Math.abs(nowMs - checkedAtMs) >= nameIntervalMs;
  }

  async #check(name: IpnsName, recordBytes: Uint8Array, digest: string): Promise<boolean | undefined> {
    this.#underWay++;
    try {
      // Before every EOL: that is not the question here.
      const nowMs = Number.NEGATIVE_INFINITY;
      await validateRecord(recordBytes, name, { nowMs, verifySignature: this.#verifySignature });
      this.#verdicts.set(digest, true);
      return true;
    } catch (err) {
      // Anything but a verdict (the verifier has no room) leaves the question open.
      if (recordProblemOf(err) === undefined) return undefined;
      this.#verdicts.set(digest, false);
      return false;
    } finally {
      this.#underWay--;
    }
  }
}
