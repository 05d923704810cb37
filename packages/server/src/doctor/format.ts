import type { KuboSetting } from "./check.ts";

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/** Decimal units, as Kubo writes `StorageMax`: 9000000000 is `9 GB`. */
export function formatBytes(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1000 && unit < UNITS.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${Number(value.toPrecision(3))} ${UNITS[unit] ?? ""}`;
}

/** The `ipfs config` command that sets it, quoted for a POSIX shell. */
export function commandFor({ key, value }: KuboSetting): string {
  if (typeof value === "string" && /^[\w./+:-]+$/.test(value)) return `ipfs config ${key} ${value}`;
  const json = JSON.stringify(value);
  const word = /^[\w.-]+$/.test(json) ? json : `'${json.replaceAll("'", String.raw`'\''`)}'`;
  return `ipfs config --json ${key} ${word}`;
}
