import { compareRecords, type IpnsRecord } from "@holdfast/core";

/**
 * Whether a valid incoming record takes the place of the stored one. Validity comes before order: a stored record that has
 * expired no longer competes (`docs/decisions/0001`). Every store decides by this, inside its transaction.
 */
export function takesPlaceOf(incoming: IpnsRecord, stored: IpnsRecord, nowMs: number): boolean {
  return nowMs > stored.eolMs || compareRecords(incoming, stored) > 0;
}
