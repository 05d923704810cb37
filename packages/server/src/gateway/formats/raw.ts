import type { GatewayAnswer } from "../answer.ts";
import { answerBytes } from "../bytes-answer.ts";
import type { ResolvedPath } from "../resolve-path.ts";
import { MEDIA_TYPE_BY_FORMAT } from "../select-format.ts";
import { NOSNIFF, attachmentHeaders, targetHeaders, type Target } from "../target.ts";

/**
 * The block itself, of any codec.
 *
 * @see https://specs.ipfs.tech/http-gateways/trustless-gateway/#block-responses-application-vnd-ipld-raw
 */
export async function answerRaw(target: Target, { cid, roots }: ResolvedPath): Promise<GatewayAnswer> {
  const block = await target.retrieval.get(cid);
  return answerBytes(
    {
      size: block.byteLength,
      etag: `"${cid.toString()}.raw"`,
      headers: {
        ...targetHeaders(target, roots),
        ...NOSNIFF,
        ...attachmentHeaders(target.request, `${cid.toString()}.bin`),
      },
      contentType: () => Promise.resolve(MEDIA_TYPE_BY_FORMAT.raw),
      // eslint-disable-next-line typescript/require-await -- an AsyncIterable of one chunk
      async *read({ first, last }) {
        if (last >= first) yield block.subarray(first, last + 1);
      },
    },
    target.request,
    target.retrieval,
  );
}
