import type { ApiPin } from "../../../pins/api/api-pin.ts";
import { pinOfRow } from "../../../pins/pin-row.ts";
import { cidOf, type PinColumns, rowOf } from "./pin-rows.ts";

/** An order with its pin, as {@link ORDER_COLUMNS} selects them. */
export interface OrderWithPinColumns extends PinColumns {
  readonly order_id: string;
  readonly order_cid: string;
  readonly order_name: string | null;
  readonly order_meta: string;
  readonly order_origins: string;
  readonly order_created_at_ms: number;
}

export const ORDER_COLUMNS = `pins.*, request.request_id AS order_id, request.cid AS order_cid, request.name AS order_name,
  request.meta AS order_meta, request.origins AS order_origins, request.created_at_ms AS order_created_at_ms`;

/** Undefined when nobody claims the pin, which cannot be while there is the order. */
export function apiPinOf(columns: OrderWithPinColumns): ApiPin | undefined {
  const pin = pinOfRow(cidOf(columns), rowOf(columns));
  if (pin === undefined) return undefined;
  return {
    id: columns.order_id,
    createdAtMs: columns.order_created_at_ms,
    cid: columns.order_cid,
    name: columns.order_name ?? undefined,
    origins: JSON.parse(columns.order_origins) as string[],
    meta: metaOfText(columns.order_meta),
    pin,
  };
}

/** Each pair is a line of its own, so that a pair can be looked for as a piece of text. JSON has no line breaks inside. */
export function metaText(meta: Readonly<Record<string, string>>): string {
  return `\n${Object.entries(meta)
    .map((pair) => `${JSON.stringify(pair)}\n`)
    .join("")}`;
}

function metaOfText(text: string): Readonly<Record<string, string>> {
  const lines = text.split("\n").filter((line) => line !== "");
  return Object.fromEntries(lines.map((line) => JSON.parse(line) as [string, string]));
}
