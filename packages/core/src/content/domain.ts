const DOMAIN_LENGTH_MAX = 253;
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/**
 * The domain that a text names: lower case, without a dot at its end. Undefined for what cannot have a DNSLink: an address,
 * or a single label, so that a mistyped name or CID is never looked up in DNS.
 *
 * @see https://www.rfc-editor.org/rfc/rfc1034#section-3.1
 */
export function domainOf(text: string): string | undefined {
  const domain = text.toLowerCase().replace(/\.$/, "");
  if (domain.length > DOMAIN_LENGTH_MAX || !domain.includes(".")) return undefined;
  const labels = domain.split(".");
  // As in WHATWG URLs: what ends with a number is an address, or nothing.
  if (/^\d+$/.test(labels.at(-1) ?? "")) return undefined;
  return labels.every((label) => LABEL.test(label)) ? domain : undefined;
}
