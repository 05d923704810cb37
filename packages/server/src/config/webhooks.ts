const ENDPOINTS_MAX = 16;
const SECRET_LENGTH_MIN = 16;

/** @throws Error whose message completes the sentence `HOLDFAST_WEBHOOKS: the value …`. */
export function parseWebhooks(value: string): readonly string[] {
  const urls = value
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
  if (!urls.every(isEndpoint))
    throw new Error("is not a comma list of http(s) URLs without user and fragment");
  if (urls.length > ENDPOINTS_MAX) throw new Error(`has more than ${ENDPOINTS_MAX} URLs`);
  return [...new Set(urls.map((url) => new URL(url).href))];
}

export function parseWebhookSecret(value: string): string {
  // Empty is the same as none; whether that will do depends on another setting.
  if (value !== "" && value.length < SECRET_LENGTH_MIN) {
    throw new Error(`has fewer than ${SECRET_LENGTH_MIN} characters`);
  }
  return value;
}

/** What is wrong with the settings together. */
export function webhookProblem(
  webhooks: readonly string[] | undefined,
  secret: string | undefined,
): string | undefined {
  if (webhooks === undefined || webhooks.length === 0 || secret !== "") return undefined;
  return "HOLDFAST_WEBHOOK_SECRET: must be set, because HOLDFAST_WEBHOOKS is";
}

function isEndpoint(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isHttp = url?.protocol === "http:" || url?.protocol === "https:";
  return isHttp && `${url.username}${url.password}${url.hash}` === "";
}
