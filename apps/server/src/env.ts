import { closestName, editDistance } from '@inferflow/dag';
import { relationProblems } from './env-relations.js';
import { type EnvKind, type EnvName, type EnvVariable, envTable } from './env-table.js';
import { ServerStartError } from './errors.js';
import { parseOrigins } from './parse-origins.js';

/** The environment after one reading: typed values, and what the operator should be told. */
export interface Environment {
  text(name: EnvName): string | undefined;
  /** Integers, numbers and durations (milliseconds). */
  number(name: EnvName): number;
  boolean(name: EnvName): boolean;
  list(name: EnvName): readonly string[];
  isSet(name: EnvName): boolean;
  /** Every variable with where its value came from; secrets are masked. */
  readonly settings: readonly Setting[];
  /** Sentences for the start-up log: variables without effect, unknown `INFERFLOW_…` names. */
  readonly notices: readonly string[];
}

/** One setting as `inferflow env` shows it. */
export interface Setting {
  readonly name: string;
  readonly section: string;
  /** The value in force as text; null is unset. */
  readonly value: string | null;
  /** The spelling that set it, null for the default. */
  readonly from: string | null;
  /** What it is when nothing sets it; null is unset. */
  readonly default: string | null;
}

type Value = string | number | boolean | readonly string[] | undefined;

/**
 * Reads and checks every variable of the table once.
 * @throws ServerStartError that lists every invalid variable at once.
 */
export function readEnvironment(source: Readonly<Record<string, string | undefined>>): Environment {
  const problems: string[] = [];
  const notices: string[] = [];
  const values = new Map<string, Value>();
  const set = new Set<string>();
  const settings: Setting[] = [];
  const byLowerName = new Map<string, [string, string]>();
  for (const [name, text] of Object.entries(source)) {
    if (text !== undefined && text.trim() !== '') byLowerName.set(name.toLowerCase(), [name, text.trim()]);
  }
  for (const variable of envTable as readonly EnvVariable[]) {
    const spelling = findSpelling(variable, source, byLowerName, problems);
    const found = spelling?.value;
    if (found !== undefined) set.add(variable.name);
    if (found !== undefined && variable.acceptedWith !== undefined) notices.push(`${variable.name} ${variable.acceptedWith}`);
    const unset = variable.default === undefined ? undefined : parseValue(variable, variable.kind, variable.default).value;
    const value = found ?? unset;
    values.set(variable.name, value);
    settings.push({
      name: variable.name,
      section: variable.section,
      value: settingText(variable, value),
      from: spelling?.name ?? null,
      default: settingText(variable, unset),
    });
  }
  nameUnknown(source, notices);
  problems.push(...relationProblems({ isSet: (name) => set.has(name), value: (name) => values.get(name) }));
  if ((values.get('INFERFLOW_CORS_ORIGINS') as readonly string[] | undefined)?.[0] === '*')
    notices.push('INFERFLOW_CORS_ORIGINS is "*": pages of every origin may call');
  if (problems.length > 0) throw new ServerStartError('ENVIRONMENT_INVALID', problems);
  return {
    text: (name) => values.get(name) as string | undefined,
    number: (name) => values.get(name) as number,
    boolean: (name) => values.get(name) as boolean,
    list: (name) => (values.get(name) as readonly string[] | undefined) ?? [],
    isSet: (name) => set.has(name),
    settings,
    notices,
  };
}

function settingText(variable: EnvVariable, value: Value): string | null {
  if (value === undefined) return null;
  if (variable.isSecret === true) return '(hidden)';
  const text = Array.isArray(value) ? value.join(',') : String(value);
  // An address may bring a name and a password along.
  return text.replace(/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@,]+@/gi, '$1(hidden)@');
}

function findSpelling(
  variable: EnvVariable,
  source: Readonly<Record<string, string | undefined>>,
  byLowerName: ReadonlyMap<string, [string, string]>,
  problems: string[],
): { readonly name: string; readonly value: Value } | undefined {
  let chosen: { name: string; value: Value } | undefined;
  const own = source[variable.name]?.trim();
  const spellings: { name: string; text: string; kind: EnvKind }[] = [];
  if (own !== undefined && own !== '') spellings.push({ name: variable.name, text: own, kind: variable.kind });
  for (const other of variable.aliases ?? []) {
    const hit = byLowerName.get(other.name.toLowerCase());
    if (hit !== undefined) spellings.push({ name: hit[0], text: hit[1], kind: other.kind ?? variable.kind });
  }
  for (const spelling of spellings) {
    const { value, problem } = parseValue(variable, spelling.kind, spelling.text);
    if (problem !== undefined) {
      problems.push(`${spelling.name}: ${problem}`);
      continue;
    }
    if (chosen !== undefined && String(chosen.value) !== String(value)) {
      problems.push(`${chosen.name} and ${spelling.name} mean the same setting and differ; unset one of them`);
    }
    chosen ??= { name: spelling.name, value };
  }
  return chosen;
}

const hostPort = /^[^\s:]+(:\d+)?$|^\[[0-9a-fA-F:]+\](:\d+)?$/;
/** Where clients of Kafka look for a broker that is named without a port. */
const kafkaPort = 9092;
const levels = ['DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', 'PANIC', 'DISABLED'];
/** A timer of the runtime that is asked for much more is over at once. */
const longestDays = 20;
const longestMs = longestDays * 24 * 3600 * 1000;
const trueTexts = ['1', 't', 'true'];
const falseTexts = ['0', 'f', 'false'];

/** Secrets never reach a message: the text of one is replaced. */
function shown(variable: EnvVariable, text: string): string {
  return variable.isSecret === true ? 'a hidden value' : JSON.stringify(text);
}

function parseValue(variable: EnvVariable, kind: EnvKind, text: string): { value?: Value; problem?: string } {
  switch (kind) {
    case 'text':
      return { value: text };
    case 'hostPort':
      return hostPort.test(text) ? { value: text } : { problem: `expected host or host:port, found ${shown(variable, text)}` };
    case 'list':
      return { value: listOf(text) };
    case 'brokers': {
      const brokers = listOf(text);
      const wrong =
        text !== '' && brokers.length === 0
          ? text
          : brokers.find((broker) => !hostPort.test(broker) || !isPort(/:(\d+)$/.exec(broker)?.[1]));
      if (wrong !== undefined)
        return { problem: `expected host:port, or several with commas between them, found ${shown(variable, wrong)}` };
      return { value: brokers.map((broker) => (/:\d+$/.test(broker) ? broker : `${broker}:${kafkaPort}`)) };
    }
    case 'origins':
      return parseOrigins(listOf(text));
    case 'boolean': {
      const lower = text.toLowerCase();
      if (trueTexts.includes(lower)) return { value: true };
      return falseTexts.includes(lower) ? { value: false } : { problem: `expected true or false, found ${shown(variable, text)}` };
    }
    case 'level': {
      const upper = text.toUpperCase();
      return levels.includes(upper)
        ? { value: upper }
        : { problem: `expected one of ${levels.join(', ')}, found ${shown(variable, text)}` };
    }
    case 'duration': {
      const match = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(text);
      if (match === null) return { problem: `expected milliseconds or a duration such as 200ms or 5s, found ${shown(variable, text)}` };
      const ms = Number(match[1]) * ({ ms: 1, s: 1000, m: 60_000 } as Record<string, number>)[match[2] ?? 'ms']!;
      return ms > longestMs ? { problem: `expected at most ${longestDays} days, found ${text}` } : inRange(variable, ms);
    }
    case 'megabytes':
      return /^\d+$/.test(text)
        ? inRange(variable, Number(text) * 1024 * 1024)
        : { problem: `expected a whole number of megabytes, found ${shown(variable, text)}` };
    case 'integer':
      return /^-?\d+$/.test(text)
        ? inRange(variable, Number(text))
        : { problem: `expected a whole number, found ${shown(variable, text)}` };
    case 'workers':
      return text === 'auto' || (/^\d{1,3}$/.test(text) && Number(text) >= 1)
        ? { value: text === 'auto' ? text : String(Number(text)) }
        : { problem: `expected a number of processes, 1 to 999, or auto, found ${shown(variable, text)}` };
    case 'number':
      return Number.isFinite(Number(text))
        ? inRange(variable, Number(text))
        : { problem: `expected a number, found ${shown(variable, text)}` };
  }
}

function isPort(text: string | undefined): boolean {
  return text === undefined || (Number(text) >= 1 && Number(text) <= 65_535);
}

function listOf(text: string): readonly string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function inRange(variable: EnvVariable, value: number): { value?: number; problem?: string } {
  if (variable.min !== undefined && value < variable.min) return { problem: `expected at least ${variable.min}, found ${value}` };
  if (variable.max !== undefined && value > variable.max) return { problem: `expected at most ${variable.max}, found ${value}` };
  return { value };
}

/** Beginnings of our names. Others use some of them too: there only a name that is nearly one of ours is pointed out. */
const ownPrefixes =
  /^(INFERFLOW|EXTERNAL_SERVICE|NUMERIX_CLIENT|ETCD|KAFKA|TELEGRAF|APP|METRIC)_|^(externalService|numerixClient|KafkaBootstrap|KafkaLogging)/i;

function nameUnknown(source: Readonly<Record<string, string | undefined>>, notices: string[]): void {
  const variables = envTable as readonly EnvVariable[];
  const known = variables.map((variable) => variable.name);
  const spellings = [...known, ...variables.flatMap(({ aliases = [] }) => aliases.map((alias) => alias.name))];
  const read = new Set(variables.flatMap(({ name, aliases = [] }) => [name, ...aliases.map((alias) => alias.name.toLowerCase())]));
  for (const name of Object.keys(source).sort()) {
    if (!ownPrefixes.test(name) || read.has(name) || read.has(name.toLowerCase())) continue;
    const isOurs = name.startsWith('INFERFLOW_');
    const suggestion = isOurs ? (sameSetting(name, known) ?? closestName(name, known)) : spellings.find((other) => isSlip(name, other));
    if (suggestion === undefined && !isOurs) continue;
    notices.push(`${name} is not a variable of this server${suggestion === undefined ? '' : `; did you mean ${suggestion}?`}`);
  }
}

/** `INFERFLOW_PORT` for `APP_PORT`. */
function sameSetting(name: string, known: readonly string[]): string | undefined {
  return known.find((other) => other === name.replace('INFERFLOW_', 'APP_'));
}

/** The same letters: names of the original break words in more than one way (`DEAD_LINE`, `BATCHSIZE`), or a letter or two off. */
function isSlip(name: string, other: string): boolean {
  const [left, right] = [name, other].map((text) => text.replaceAll('_', '').toLowerCase()) as [string, string];
  const limit = left.length < 12 ? 1 : 2;
  return editDistance(left, right, limit) <= limit;
}
