import { parse as parseYaml } from "yaml";
import { isLoopback } from "./listen.ts";
import { webhookProblem } from "./webhooks.ts";
import { REFERENCE_VARIABLES, type SettingName, SETTINGS, type SettingValues } from "./settings.ts";

type WritePolicy =
  | { readonly kind: "open" | "closed" }
  | { readonly kind: "token"; readonly tokens: readonly string[] };

export interface Config extends Omit<
  SettingValues,
  "writePolicy" | "writeTokens" | "kuboRpcUrl" | "kuboRpcAuth"
> {
  readonly writePolicy: WritePolicy;
  /** Without login. */
  readonly kuboRpcUrl: string;
  /** The whole value of the `Authorization` header, a secret. */
  readonly kuboRpcAuthorization: string | undefined;
  /** Lines for the log: what a variable of the reference system was mapped to. */
  readonly notices: readonly string[];
}

/** Every problem of a configuration at once: nobody should have to start five times to find five mistakes. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`the configuration has ${problems.length} problem(s):\n  ${problems.join("\n  ")}`);
    this.problems = problems;
  }

  /** For what only the start itself can find out. */
  static about(variable: `HOLDFAST_${string}`, cause: unknown): ConfigError {
    return new ConfigError([`${variable}: ${cause instanceof Error ? cause.message : String(cause)}`]);
  }
}

/** The URL of a webhook may have a token in its query, that of Kubo's RPC a login. */
const SECRET = new Set<SettingName>([
  "writeTokens",
  "pinsTokens",
  "webhooks",
  "webhookSecret",
  "kuboRpcUrl",
  "kuboRpcAuth",
  "nostrPrivateKey",
]);

/**
 * Makes the configuration: defaults, then `holdfast.yaml`, then the environment.
 *
 * @param yamlText the text of `holdfast.yaml`; undefined when there is none.
 * @param yamlName how the file is called in messages.
 * @throws ConfigError for a malformed value, an unknown `HOLDFAST_*` variable or an unknown key, all listed.
 */
export function readConfig(
  env: Readonly<Record<string, string | undefined>>,
  yamlText?: string,
  yamlName = "holdfast.yaml",
): Config {
  const problems: string[] = [];
  const notices: string[] = [];
  const texts = { ...readYaml(yamlText, yamlName, problems), ...readEnv(env, problems, notices) };
  const values = parseAll(texts, problems);
  const writePolicy = writePolicyOf(values, problems);
  const webhook = webhookProblem(values.webhooks, values.webhookSecret);
  if (webhook !== undefined) problems.push(webhook);
  if (values.kuboRpcUrl?.authorization !== undefined && values.kuboRpcAuth !== undefined) {
    problems.push("HOLDFAST_KUBO_RPC_AUTH: the login stands in HOLDFAST_KUBO_RPC_URL already");
  }
  if (values.backend === "kubo" && values.kuboGatewayUrl === undefined) {
    notices.push(
      "HOLDFAST_KUBO_GATEWAY_URL is not set: blocks come by Kubo's RPC, which takes twice as long",
    );
  }
  if (problems.length > 0 || writePolicy === undefined) throw new ConfigError(problems);
  notices.push(...withoutEffect(texts, { backend: values.backend, policy: writePolicy.kind }));
  const {
    writePolicy: _policy,
    writeTokens: _tokens,
    kuboRpcUrl,
    kuboRpcAuth,
    ...rest
  } = values as SettingValues;
  const kubo = {
    kuboRpcUrl: kuboRpcUrl.baseUrl,
    kuboRpcAuthorization: kuboRpcUrl.authorization ?? kuboRpcAuth,
  };
  return Object.freeze({ ...rest, ...kubo, writePolicy, notices });
}

const OF_KUBO: readonly SettingName[] = ["kuboRpcUrl", "kuboGatewayUrl", "kuboRpcAuth"];

/** Whoever set these takes them to be in force: a Kubo that is never asked, tokens that nobody needs. */
function withoutEffect(
  texts: Texts,
  { backend, policy }: { readonly backend: string | undefined; readonly policy: WritePolicy["kind"] },
): readonly string[] {
  const unused = (names: readonly SettingName[], why: string): readonly string[] =>
    names.flatMap((name) => {
      const found = texts[name];
      const isSet = found !== undefined && found.text !== SETTINGS[name].fallback;
      return isSet ? [`${found.label} has no effect: ${why}`] : [];
    });
  return [
    ...(backend === "kubo" ? [] : unused(OF_KUBO, "HOLDFAST_BACKEND is not kubo")),
    ...(policy === "token" ? [] : unused(["writeTokens"], `HOLDFAST_WRITE_POLICY is ${policy}, not token`)),
  ];
}

type Texts = Partial<Record<SettingName, { readonly text: string; readonly label: string }>>;

function readEnv(
  env: Readonly<Record<string, string | undefined>>,
  problems: string[],
  notices: string[],
): Texts {
  const nameOf = new Map(entries().map(([name, { variable }]) => [variable as string, name]));
  const texts: Texts = {};
  for (const [legacy, target] of Object.entries(REFERENCE_VARIABLES)) {
    const text = env[legacy];
    if (text === undefined || text === "") continue;
    if (typeof target === "object") {
      notices.push(`${legacy} has no effect: ${target.unused}`);
      continue;
    }
    const name = nameOf.get(target);
    if (name === undefined || env[target] !== undefined) continue;
    texts[name] = { text, label: legacy };
    notices.push(`${legacy} is taken as ${target}`);
  }
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith("HOLDFAST_") || text === undefined) continue;
    const name = nameOf.get(variable);
    if (name === undefined) problems.push(`${variable}: there is no such variable`);
    else texts[name] = { text, label: variable };
  }
  return texts;
}

function readYaml(yamlText: string | undefined, yamlName: string, problems: string[]): Texts {
  if (yamlText === undefined) return {};
  let document: unknown;
  try {
    document = parseYaml(yamlText, { logLevel: "error" });
  } catch (err) {
    problems.push(`${yamlName}: ${err instanceof Error ? err.message : "is not YAML"}`);
    return {};
  }
  if (document === null || document === undefined) return {};
  if (typeof document !== "object" || Array.isArray(document)) {
    problems.push(`${yamlName}: is not a map of settings`);
    return {};
  }
  const nameOf = new Map(
    entries().map(([name, { variable }]) => [variable.slice("HOLDFAST_".length).toLowerCase(), name]),
  );
  const texts: Texts = {};
  for (const [key, value] of Object.entries(document)) {
    const name = nameOf.get(key);
    const label = `${yamlName}: ${key}`;
    const items = Array.isArray(value) ? (value as unknown[]) : [value];
    if (name === undefined) problems.push(`${label}: there is no such setting`);
    else if (items.every((item) => ["string", "number", "boolean"].includes(typeof item))) {
      // YAML reads on/off of older dialects as booleans.
      const text = items
        .map((item) => (item === true ? "on" : item === false ? "off" : String(item)))
        .join(",");
      texts[name] = { text, label };
    } else problems.push(`${label}: is neither a value nor a list of values`);
  }
  return texts;
}

function parseAll(texts: Texts, problems: string[]): Partial<SettingValues> {
  const values: Partial<Record<SettingName, unknown>> = {};
  for (const [name, { fallback, parse, variable }] of entries()) {
    const { text, label } = texts[name] ?? { text: fallback, label: variable };
    try {
      values[name] = parse(text);
    } catch (err) {
      const shown = SECRET.has(name) ? "the value" : JSON.stringify(text.slice(0, 200));
      problems.push(`${label}: ${shown} ${err instanceof Error ? err.message : "is malformed"}`);
    }
  }
  return values as Partial<SettingValues>;
}

function writePolicyOf(values: Partial<SettingValues>, problems: string[]): WritePolicy | undefined {
  const { publicListen, writePolicy, writeTokens = [] } = values;
  if (writePolicy === undefined) return undefined;
  if (writePolicy === "token") {
    if (writeTokens.length > 0) return { kind: "token", tokens: writeTokens };
    problems.push("HOLDFAST_WRITE_TOKENS: needs at least one token when HOLDFAST_WRITE_POLICY is token");
    return undefined;
  }
  if (writePolicy !== "default") return { kind: writePolicy };
  if (publicListen === undefined || isLoopback(publicListen.host)) return { kind: "open" };
  problems.push(
    `HOLDFAST_WRITE_POLICY: must be chosen (open, token or closed) because ${publicListen.host} is reachable from elsewhere`,
  );
  return undefined;
}

type AnySetting = (typeof SETTINGS)[SettingName];

function entries(): readonly (readonly [SettingName, AnySetting])[] {
  return Object.entries(SETTINGS) as [SettingName, AnySetting][];
}
