/** A moment of a record's `Validity`. */
export interface Instant {
  /** Nanoseconds since the Unix epoch. */
  readonly ns: bigint;
  /** The same, rounded down to milliseconds: exact as a number up to the year 9999. */
  readonly ms: number;
}

const DASH = 0x2d;
const COLON = 0x3a;
const DOT = 0x2e;
const PLUS = 0x2b;
const LETTER_T = 0x54;
const LETTER_Z = 0x5a;
const DATE_TIME_LENGTH = "2006-01-02T15:04:05".length;
const FRACTION_DIGITS_MAX = 9;

/**
 * Reads the ASCII bytes of a `Validity`: RFC 3339 in upper case, 0 to 9 fraction digits, `Z` or an offset, days that
 * exist, no leap second. What Go's `time.Parse(time.RFC3339Nano, …)` refuses is refused, and so are its leniencies
 * (a comma, one-digit hours, more digits than nanoseconds): nothing writes them.
 *
 * @returns `undefined` for anything else.
 * @see https://www.rfc-editor.org/rfc/rfc3339#section-5.6
 */
export function parseValidity(text: Uint8Array): Instant | undefined {
  if (text.length < DATE_TIME_LENGTH + 1 || !hasSeparators(text)) return undefined;
  const days = daysOf(digits(text, 0, 4), digits(text, 5, 2), digits(text, 8, 2));
  const secondOfDay = secondOfDayOf(digits(text, 11, 2), digits(text, 14, 2), digits(text, 17, 2));
  if (days === undefined || secondOfDay === undefined) return undefined;
  const fractionEnd =
    text[DATE_TIME_LENGTH] === DOT ? endOfDigits(text, DATE_TIME_LENGTH + 1) : DATE_TIME_LENGTH;
  const fractionNs = fractionOf(text, fractionEnd);
  const offsetS = offsetOf(text, fractionEnd);
  if (fractionNs === undefined || offsetS === undefined) return undefined;
  const seconds = days * 86_400 + secondOfDay - offsetS;
  return {
    ns: BigInt(seconds) * 1_000_000_000n + BigInt(fractionNs),
    ms: seconds * 1_000 + Math.floor(fractionNs / 1_000_000),
  };
}

/** The form that boxo and js-ipns write: UTC, nine fraction digits. @param ms an integer within the years 0 to 9999 */
export function formatValidity(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000000Z");
}

function hasSeparators(text: Uint8Array): boolean {
  return (
    text[4] === DASH && text[7] === DASH && text[10] === LETTER_T && text[13] === COLON && text[16] === COLON
  );
}

/** NaN, which fails every comparison, if one of them is not a digit. */
function digits(text: Uint8Array, start: number, count: number): number {
  let value = 0;
  for (let i = start; i < start + count; i++) {
    const digit = (text[i] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}

function endOfDigits(text: Uint8Array, start: number): number {
  let end = start;
  while (end < text.length && !Number.isNaN(digits(text, end, 1))) end++;
  return end;
}

/** Days since the Unix epoch, in the Gregorian calendar, as in Howard Hinnant's `days_from_civil`. */
function daysOf(year: number, month: number, day: number): number | undefined {
  if (!(year >= 0 && month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month)))
    return undefined;
  const shifted = month > 2 ? year : year - 1;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function secondOfDayOf(hour: number, minute: number, second: number): number | undefined {
  return hour <= 23 && minute <= 59 && second <= 59 ? hour * 3_600 + minute * 60 + second : undefined;
}

function fractionOf(text: Uint8Array, end: number): number | undefined {
  if (end === DATE_TIME_LENGTH) return 0;
  const count = end - DATE_TIME_LENGTH - 1;
  if (count < 1 || count > FRACTION_DIGITS_MAX) return undefined;
  return digits(text, DATE_TIME_LENGTH + 1, count) * 10 ** (FRACTION_DIGITS_MAX - count);
}

/** Seconds east of UTC. */
function offsetOf(text: Uint8Array, start: number): number | undefined {
  const sign = text[start];
  if (sign === LETTER_Z) return text.length === start + 1 ? 0 : undefined;
  if ((sign !== PLUS && sign !== DASH) || text.length !== start + 6 || text[start + 3] !== COLON)
    return undefined;
  const seconds = secondOfDayOf(digits(text, start + 1, 2), digits(text, start + 4, 2), 0);
  return seconds === undefined || sign === PLUS ? seconds : -seconds;
}
