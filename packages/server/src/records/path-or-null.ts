import { contentPathOf, type IpnsRecord, isHoldfastError } from "@holdfast/core";

/** Where a record points; null when the owner signed something that is no content path. */
export function pathOrNull(record: IpnsRecord): string | null {
  try {
    return contentPathOf(record);
  } catch (err) {
    if (isHoldfastError(err) && err.code === "INVALID_PATH") return null;
    throw err;
  }
}
