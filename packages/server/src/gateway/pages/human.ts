const UNITS = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/** `1.2 kB`: three digits at most, powers of 1000. */
export function humanBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 999.5 would be written as 1000.
  while (value >= (unit === 0 ? 1000 : 999.5) && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit] ?? ""}`;
}

/** `bafy…yavq`. */
export function shortCid(cid: string): string {
  return cid.length <= 10 ? cid : `${cid.slice(0, 4)}…${cid.slice(-4)}`;
}

export function counted(count: number, one: string, many: string): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}
