import { HoldfastError, parseCid } from "@holdfast/core";
import type { FastifyRequest } from "fastify";
import type { CID } from "multiformats/cid";
import { requiredArg } from "../request-facts.ts";

/**
 * The `arg` of a command that takes a CID: `CID`, `/ipfs/CID` or `ipfs://CID`, with or without a slash at its end.
 *
 * @throws HoldfastError `INVALID_ARGUMENT` when it is missing or goes on below the CID, `INVALID_CID`.
 */
export function cidArg(request: FastifyRequest, argument: string): CID {
  const [, text = "", rest = ""] =
    /^(?:\/ipfs\/|ipfs:\/\/)?([^/]*)(.*)$/s.exec(requiredArg(request, argument)) ?? [];
  if (rest !== "" && rest !== "/") {
    throw new HoldfastError("INVALID_ARGUMENT", "a path below the CID is not offered here");
  }
  return parseCid(text);
}
