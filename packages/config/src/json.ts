/** A JSON value, as `JSON.parse` gives it. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;

/** A JSON object. Keys are data (component and column names), so look them up with `Object.hasOwn`. */
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** Deepest nesting that is read. Deeper documents are refused before any recursion sees them. */
const MAX_DEPTH = 100;

/** Why a value is not JSON. */
interface NotJson {
  readonly code: 'INFERFLOW_CONFIG_TOO_DEEP' | 'INFERFLOW_CONFIG_WRONG_TYPE';
  readonly path: readonly (string | number)[];
  readonly found: string;
}

/** True for an object that is not a list. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An object without prototype: any text is a safe key, `__proto__` too. */
export function emptyRecord<T>(): Record<string, T> {
  return Object.create(null) as Record<string, T>;
}

/**
 * Copies a value as JSON: frozen, objects without prototype, members that are `undefined` left out as `JSON.stringify` does.
 * What JSON cannot hold (functions, symbols, bigints, NaN, …) and nesting deeper than 100 levels is given to `refuse`, and null stands in.
 */
export function copyJson(value: unknown, refuse: (reason: NotJson) => void, path: readonly (string | number)[] = []): JsonValue {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  // Adding 0 makes -0 the 0 that JSON text would hold.
  if (typeof value === 'number' && Number.isFinite(value)) return value + 0;
  if (typeof value !== 'object') {
    refuse({ code: 'INFERFLOW_CONFIG_WRONG_TYPE', path, found: typeof value === 'number' ? String(value) : typeof value });
    return null;
  }
  if (path.length >= MAX_DEPTH) {
    refuse({ code: 'INFERFLOW_CONFIG_TOO_DEEP', path, found: `more than ${MAX_DEPTH} levels` });
    return null;
  }
  if (Array.isArray(value)) return Object.freeze(value.map((item, index) => copyJson(item, refuse, [...path, index])));
  const copy = emptyRecord<JsonValue>();
  for (const [key, item] of Object.entries(value)) if (item !== undefined) copy[key] = copyJson(item, refuse, [...path, key]);
  return Object.freeze(copy);
}

/** JSON text with object keys sorted: equal for equal values, however they were built. `undefined` members are left out. */
export function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) {
    let text = '[';
    for (let at = 0; at < value.length; at++) text += at === 0 ? canonicalJson(value[at]) : `,${canonicalJson(value[at])}`;
    return `${text}]`;
  }
  let text = '{';
  for (const key of Object.keys(value).sort()) {
    const member = (value as Readonly<Record<string, unknown>>)[key];
    if (member === undefined) continue;
    text += `${text === '{' ? '' : ','}${JSON.stringify(key)}:${canonicalJson(member)}`;
  }
  return `${text}}`;
}
