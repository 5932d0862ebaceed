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
 * Once something is too deep no more objects and lists are read: what holds itself twice would have 2^100 of them.
 */
export function copyJson(value: unknown, refuse: (reason: NotJson) => void): JsonValue {
  let isTooDeep = false;
  const copyAt = (member: unknown, path: NotJson['path']): JsonValue => {
    if (member === null || typeof member === 'string' || typeof member === 'boolean') return member;
    // Adding 0 makes -0 the 0 that JSON text would hold.
    if (typeof member === 'number' && Number.isFinite(member)) return member + 0;
    if (typeof member !== 'object') {
      refuse({ code: 'INFERFLOW_CONFIG_WRONG_TYPE', path, found: typeof member === 'number' ? String(member) : typeof member });
      return null;
    }
    if (isTooDeep) return null;
    if (path.length >= MAX_DEPTH) {
      isTooDeep = true;
      refuse({ code: 'INFERFLOW_CONFIG_TOO_DEEP', path, found: `more than ${MAX_DEPTH} levels` });
      return null;
    }
    if (Array.isArray(member)) return Object.freeze(member.map((item, index) => copyAt(item, [...path, index])));
    const copy = emptyRecord<JsonValue>();
    for (const [key, item] of Object.entries(member)) if (item !== undefined) copy[key] = copyAt(item, [...path, key]);
    return Object.freeze(copy);
  };
  return copyAt(value, []);
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
