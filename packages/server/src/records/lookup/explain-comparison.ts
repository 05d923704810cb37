import { compareRecords, type IpnsRecord } from "@holdfast/core";
import type { ComparedSource, NameComparison } from "./compare-name.ts";

/** Who wins and why, in sentences: first the winner, then each source that says something else, last what to make of it. */
export function explainComparison({ sources, winner }: NameComparison): readonly string[] {
  const others = sources.flatMap((source) => sentencesOn(source, winner));
  if (winner === undefined) {
    return ["Nobody gives a valid record: the name does not resolve.", ...others];
  }
  const holders = sources.filter((source) =>
    source.records.some(
      (given) =>
        given.record !== undefined &&
        given.problem === undefined &&
        compareRecords(given.record, winner) === 0,
    ),
  );
  const first = `The record with sequence ${winner.sequence}, valid until ${winner.validity}, wins: ${listOf(holders)} ${holders.length === 1 ? "gives" : "give"} it.`;
  return [first, ...others, ...verdictOn(sources, holders)];
}

/** Whether every place that answers gives the winner, and what is held is the winner. */
export function isInAgreement({ sources, winner }: NameComparison): boolean {
  if (winner === undefined) return sources.every(({ records }) => records.length === 0);
  const disk = sources.find(({ kind }) => kind === "disk");
  return (
    disk?.records.length === 1 &&
    sources.every(({ records }) =>
      records.every(
        ({ record, problem }) =>
          record !== undefined && problem === undefined && compareRecords(record, winner) === 0,
      ),
    )
  );
}

function sentencesOn(source: ComparedSource, winner: IpnsRecord | undefined): readonly string[] {
  const { label, state, latencyMs, records, error } = source;
  if (state === "silent") return [`${label} said nothing within ${latencyMs} ms.`];
  if (state === "failed") return [`${label} could not be asked: ${error ?? "unknown"}.`];
  if (state === "nothing") return [`${label} has no record of the name.`];
  return records.flatMap(({ record, problem, times }) => {
    const who = times === 1 ? label : `${label} (${times} times)`;
    if (problem !== undefined) return [`${who} gives what does not count: ${problem}.`];
    if (record === undefined || winner === undefined || compareRecords(record, winner) === 0) return [];
    return [`${who} gives sequence ${record.sequence}, which loses: ${whyLost(record, winner)}.`];
  });
}

function whyLost(loser: IpnsRecord, winner: IpnsRecord): string {
  if (loser.sequence !== winner.sequence)
    return `the winner's is higher by ${winner.sequence - loser.sequence}`;
  if (loser.eolNs !== winner.eolNs) return `same sequence, but it ends earlier, at ${loser.validity}`;
  return "same sequence and end of life, but its bytes are the smaller ones; two records were signed with one sequence";
}

function verdictOn(
  sources: readonly ComparedSource[],
  holders: readonly ComparedSource[],
): readonly string[] {
  const isHeld = (kind: ComparedSource["kind"]): boolean => holders.some((holder) => holder.kind === kind);
  if (!isHeld("disk")) return ["We do not hold the winner: the next refresh of the name takes it."];
  const memory = sources.find(({ kind }) => kind === "memory");
  if (memory?.state === "answered" && !isHeld("memory"))
    return ["Memory and disk differ, which must not be: please report it."];
  if (!isHeld("router") && sources.some(({ kind }) => kind === "router"))
    return ["Only we hold the winner: it has not reached the routers, or they have lost it."];
  return [];
}

function listOf(sources: readonly ComparedSource[]): string {
  const labels = sources.map(({ label }) => label);
  const last = labels.pop() ?? "nobody";
  return labels.length === 0 ? last : `${labels.join(", ")} and ${last}`;
}
