import { HoldfastError } from "@holdfast/core";
import type { FastifyRequest } from "fastify";
import type { ExpectedSequence } from "../records/expected-sequence.ts";
import { queryText } from "./request-facts.ts";

/**
 * What a put expects to be stored: `If-Match: "<sequence>"`, `If-Match: *` (a valid record, whichever), `If-None-Match: *` (none),
 * or the same as `expected-sequence=<sequence>|any|none`. Undefined when it expects nothing.
 *
 * @throws HoldfastError `INVALID_ARGUMENT` for anything else, and for more than one of them: a put that was meant to be guarded must
 *   not go through unguarded.
 */
export function expectedSequenceIn(request: FastifyRequest): ExpectedSequence | undefined {
  const { "if-match": ifMatch, "if-none-match": ifNoneMatch } = request.headers;
  const parameter = queryText(request, "expected-sequence");
  const given = [ifMatch, ifNoneMatch, parameter].filter((text) => text !== undefined);
  if (given.length === 0) return undefined;
  if (given.length > 1) {
    throw malformed("only one of If-Match, If-None-Match and expected-sequence can be given");
  }
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch.trim() !== "*") throw malformed("a put takes If-None-Match: * only");
    return "none";
  }
  if (ifMatch !== undefined) {
    if (ifMatch.trim() === "*") return "any";
    const [, digits] = /^\s*"(\d{1,19})"\s*$/.exec(ifMatch) ?? [];
    if (digits === undefined) throw malformed('a put takes If-Match: "<sequence>" or * only');
    return BigInt(digits);
  }
  if (parameter === "any" || parameter === "none") return parameter;
  if (parameter === undefined || !/^\d{1,19}$/.test(parameter)) {
    throw malformed("expected-sequence is not a sequence, any or none");
  }
  return BigInt(parameter);
}

function malformed(message: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message);
}
