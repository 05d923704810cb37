import type { InspectedRecord } from "./inspect-record.ts";

/** What a node says about a name, for people. Its JSON is read with care: it may be of another version. */
export function nameTable(answer: Readonly<Record<string, unknown>>): string {
  const error = answer["error"];
  const lines = [
    row("name", textAt(answer, "name")),
    row("", textAt(answer, "spellings", "base58btc")),
    row("at", textAt(answer, "at")),
    row("no record", textAt(error, "message")),
    ...recordRows(answer["record"]),
    row("received", joined(textAt(answer, "receivedAt"), textAt(answer, "origin"))),
    row("freshness", freshnessOf(answer["freshness"])),
    ...listAt(answer, "propagation", "targets").map((target) =>
      row(
        "put to",
        `${textAt(target, "target")}: ${textAt(target, "state")}, ${textAt(target, "attempts")} tries`,
      ),
    ),
    row("next put", textAt(answer, "propagation", "nextRepublishAt")),
    ...listAt(answer, "anomalies").map((anomaly) => row("anomaly", anomalyText(anomaly))),
    row("no history", textAt(answer, "history", "error", "message")),
    ...listAt(answer, "history", "records").map((entry, i) =>
      row(i === 0 ? "history" : "", entryText(entry)),
    ),
  ];
  return tableOf(lines);
}

/** What is in a record file, for people. */
export function recordTable(inspected: InspectedRecord): string {
  const { valid, reason, message, name, spellings, byteLength, record } = inspected;
  const lines = [
    row("valid", `${valid ? "yes" : reason === null ? "unknown" : `no, ${reason}`}: ${message}`),
    row("name", name ?? ""),
    row("", spellings?.base58btc ?? ""),
    ...recordRows(record),
    row("size", `${byteLength} bytes`),
  ];
  return tableOf(lines);
}

function recordRows(record: unknown): string[] {
  if (typeof record !== "object" || record === null) return [];
  const ttlSeconds = textAt(record, "ttlSeconds");
  const isExpired = textAt(record, "expired") === "true";
  const value = textAt(record, "value");
  return [
    row("value", value === "" ? `no content path: base64 ${textAt(record, "valueBase64")}` : value),
    row("sequence", textAt(record, "sequenceText")),
    row("validity", `${textAt(record, "validity")}${isExpired ? " (expired)" : ""}`),
    row("ttl", ttlSeconds === "" ? "none" : `${ttlSeconds} s`),
    row("signature", textAt(record, "signatureType")),
  ];
}

function freshnessOf(freshness: unknown): string {
  const state = textAt(freshness, "state");
  if (state === "") return "";
  return `${state}, checked ${textAt(freshness, "checkedAt")} (${textAt(freshness, "ageSeconds")} s ago)`;
}

function anomalyText(anomaly: unknown): string {
  const sequence = textAt(anomaly, "sample", "sequenceText");
  const stored = textAt(anomaly, "sample", "storedSequenceText");
  const seen = `${textAt(anomaly, "count")} × from ${textAt(anomaly, "firstSeenAt")} to ${textAt(anomaly, "lastSeenAt")}`;
  const sample = `sequence ${sequence} where ${stored} was stored, from ${textAt(anomaly, "sample", "via")}`;
  return `${textAt(anomaly, "kind")}: ${seen}; last: ${sample}`;
}

function entryText(entry: unknown): string {
  const isCurrent = textAt(entry, "current") === "true";
  const mark = isCurrent ? "*" : textAt(entry, "expired") === "true" ? "✗" : " ";
  const facts = ["receivedAt", "origin", "sequenceText", "value", "validity"].map((key) =>
    textAt(entry, key),
  );
  const [receivedAt, origin, sequence, value, validity] = facts;
  return `${mark} ${receivedAt}  ${origin}  sequence ${sequence}  ${value}  until ${validity}`;
}

/** The value at a path in untrusted JSON, as text; empty when there is none. */
function textAt(value: unknown, ...path: readonly string[]): string {
  const found = valueAt(value, path);
  return typeof found === "string" || typeof found === "number" || typeof found === "boolean"
    ? String(found)
    : "";
}

function listAt(value: unknown, ...path: readonly string[]): readonly unknown[] {
  const found = valueAt(value, path);
  return Array.isArray(found) ? found : [];
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  let found = value;
  for (const key of path) {
    if (typeof found !== "object" || found === null) return undefined;
    found = Object.entries(found).find(([name]) => name === key)?.[1];
  }
  return found;
}

const row = (label: string, text: string): string => (text === "" ? "" : `${label.padEnd(11)}${text}`);

const joined = (time: string, origin: string): string => (time === "" ? "" : `${time}, from ${origin}`);

/** Values are what owners and strangers signed: none may steer the terminal. */
function tableOf(rows: readonly string[]): string {
  const shown = rows.filter((text) => text !== "");
  // oxlint-disable-next-line no-control-regex
  return `${shown.map((text) => text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, "?")).join("\n")}\n`;
}
