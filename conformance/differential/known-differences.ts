import type { Difference } from "./compare.ts";
import { CACHING_DIFFERENCES } from "./known/caching.ts";
import { ERROR_DIFFERENCES } from "./known/errors.ts";
import type { Compared, KnownDifference } from "./known/known-difference.ts";
import { RANGE_DIFFERENCES } from "./known/ranges.ts";
import { REPRESENTATION_DIFFERENCES } from "./known/representations.ts";

/** Every difference from Kubo that is kept, each with its reason. What none of them explains is a defect of one of the two. */
export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [
  ...CACHING_DIFFERENCES,
  ...ERROR_DIFFERENCES,
  ...RANGE_DIFFERENCES,
  ...REPRESENTATION_DIFFERENCES,
];

export function explanationOf(difference: Difference, compared: Compared): KnownDifference | undefined {
  return KNOWN_DIFFERENCES.find((known) => known.explains(difference, compared));
}
