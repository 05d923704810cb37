import type { ResolveNameOptions } from "./block-reader.ts";
import type { ContentRequest } from "./content-request.ts";
import type { Retrieval } from "./retrieval.ts";

/** How a name in this request is resolved: `only-if-cached` asks nobody, whatever else the request says. */
export function nameOptionsOf({ askFirst }: ContentRequest, retrieval: Retrieval): ResolveNameOptions {
  const ask = retrieval.onlyHeld ? "never" : askFirst ? "first" : "if-absent";
  return { signal: retrieval.signal, ask };
}
