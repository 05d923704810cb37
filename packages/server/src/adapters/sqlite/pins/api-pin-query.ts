import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import { foldedName } from "../../../pins/api/api-pin.ts";
import type { ApiPinsQuery } from "../../../pins/api/api-pin-store.ts";
import { metaText } from "./api-pin-rows.ts";

/** A piece of SQL with what its question marks stand for. */
interface Sql {
  readonly text: string;
  readonly values: readonly SQLInputValue[];
}

/** A slice of an owner's orders, without its ends. */
export interface SeqRange {
  readonly afterSeq: number;
  readonly beforeSeq: number;
}

export interface ScanParts {
  readonly ownerId: number;
  /** Ids of the pins that `query.roots` are. */
  readonly pinIds: readonly number[] | undefined;
  readonly openAmongPinIds: readonly number[];
}

/** Some hundred microseconds of the thread that reads. */
const ORDERS_AT_ONCE = 2_000;

/** Looks at every order that may match, a few at a time, newest first. */
export class ApiPinScan {
  readonly #db: DatabaseSync;
  readonly #candidates: Sql;
  readonly #condition: Sql;

  constructor(db: DatabaseSync, query: ApiPinsQuery, parts: ScanParts) {
    this.#db = db;
    this.#candidates = candidatesOf(query, parts);
    this.#condition = conditionOf(query, parts);
  }

  /** How many of the next orders in the range match, and where to go on; undefined there when these were the last ones. */
  next({ afterSeq, beforeSeq }: SeqRange): {
    readonly hits: number;
    readonly nextBeforeSeq: number | undefined;
  } {
    const { text, values } = this.#candidates;
    const looked = this.#db
      .prepare(
        `SELECT count(*) AS seen, min(seq) AS last_seq, coalesce(sum(hit), 0) AS hits FROM (
           SELECT seq, ${this.#condition.text} AS hit ${text} AND seq > ? AND seq < ? ORDER BY seq DESC LIMIT ?)`,
      )
      .get(...this.#condition.values, ...values, afterSeq, beforeSeq, ORDERS_AT_ONCE) as unknown as LookedAt;
    const isLast = looked.seen < ORDERS_AT_ONCE;
    return { hits: looked.hits, nextBeforeSeq: isLast ? undefined : looked.last_seq };
  }

  /** Ids of matching orders in the range, newest first. */
  ids({ afterSeq, beforeSeq }: SeqRange, limit: number): readonly number[] {
    const { text, values } = this.#candidates;
    const rows = this.#db
      .prepare(
        `SELECT id ${text} AND seq > ? AND seq < ? AND ${this.#condition.text} ORDER BY seq DESC LIMIT ?`,
      )
      .all(...values, afterSeq, beforeSeq, ...this.#condition.values, limit);
    return rows.map(({ id }) => Number(id));
  }
}

interface LookedAt {
  readonly seen: number;
  readonly last_seq: number;
  readonly hits: number;
}

function candidatesOf({ name }: ApiPinsQuery, { ownerId, pinIds }: ScanParts): Sql {
  if (pinIds !== undefined) {
    const text =
      "FROM pin_requests INDEXED BY pin_requests_of_pin WHERE pin_id IN (SELECT value FROM json_each(?)) AND owner_id = ?";
    return { text, values: [JSON.stringify(pinIds), ownerId] };
  }
  if (name?.match === "exact" || name?.match === "iexact") {
    const text = "FROM pin_requests INDEXED BY pin_requests_by_name WHERE owner_id = ? AND folded_name = ?";
    return { text, values: [ownerId, foldedName(name.text)] };
  }
  return { text: "FROM pin_requests INDEXED BY pin_requests_of_owner WHERE owner_id = ?", values: [ownerId] };
}

function conditionOf(
  { states, openAmong, name, meta = {} }: ApiPinsQuery,
  { openAmongPinIds }: ScanParts,
): Sql {
  const all: Sql[] = states.map((state) => ({ text: "state = ?", values: [state] }));
  if (openAmong !== undefined) {
    const index = states.indexOf("open");
    const among = `pin_id ${openAmong.isAmong ? "" : "NOT"} IN (SELECT value FROM json_each(?))`;
    if (index >= 0)
      all[index] = { text: `(state = 'open' AND ${among})`, values: [JSON.stringify(openAmongPinIds)] };
  }
  const pairs = Object.entries(meta).map(([key, value]): Sql => {
    return { text: "instr(meta, ?) > 0", values: [metaText({ [key]: value })] };
  });
  const named = name === undefined ? [] : [nameCondition(name)];
  return joined([joined(all, " OR "), ...named, ...pairs], " AND ");
}

function nameCondition({ text, match }: NonNullable<ApiPinsQuery["name"]>): Sql {
  switch (match) {
    case "exact":
      return { text: "name = ?", values: [text] };
    case "iexact":
      return { text: "folded_name = ?", values: [foldedName(text)] };
    case "partial":
      return { text: "instr(name, ?) > 0", values: [text] };
    case "ipartial":
      return { text: "instr(folded_name, ?) > 0", values: [foldedName(text)] };
  }
}

function joined(pieces: readonly Sql[], operator: string): Sql {
  if (pieces.length === 0) return { text: "(0)", values: [] };
  return {
    text: `(${pieces.map(({ text }) => text).join(operator)})`,
    values: pieces.flatMap(({ values }) => values),
  };
}
