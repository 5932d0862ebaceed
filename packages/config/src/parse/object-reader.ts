import { editDistance } from '@inferflow/dag';
import { emptyRecord, isJsonObject, type JsonObject, type JsonValue } from '../json.js';
import { describeValue, joinPath } from '../json-path.js';
import type { Dialect } from '../model-config.js';
import { fieldName, fieldNames } from '../schema/fields.js';
import type { ObjectKind } from '../schema/object-kinds.js';
import type { ParseContext } from './parse-context.js';

/** Largest duration and count: what a timer takes. */
const LARGEST = 2_147_483_647;

/**
 * Reads the fields of one object as the original does: names in any case, unknown ones ignored, `null` as absent, a wrong type
 * an error. Every method reports what is wrong and goes on with a value, so that one pass finds everything.
 */
export class ObjectReader {
  readonly context: ParseContext;
  readonly path: string;
  /** Key of this object's unknown fields in `ModelConfig.extra`. */
  readonly place: string;
  readonly #kind: ObjectKind;
  readonly #values = new Map<string, { readonly value: JsonValue; readonly written: string }>();

  /** @param place where unknown fields are kept; null keeps none. */
  constructor(context: ParseContext, kind: ObjectKind, value: JsonObject, path: string, place: string | null) {
    this.context = context;
    this.path = path;
    this.place = place ?? '';
    this.#kind = kind;
    this.#sort(value, place);
  }

  /** True if the field is there and not null. */
  has(key: string): boolean {
    return this.raw(key) !== undefined;
  }

  /** The value as it is; undefined if absent or null. */
  raw(key: string): JsonValue | undefined {
    const name = this.#name(key);
    return name === null ? undefined : (this.#values.get(name)?.value ?? undefined);
  }

  /** Path of a field, as written if it is there. */
  pathOf(key: string): string {
    const name = this.#name(key) ?? key;
    return joinPath(this.path, this.#values.get(name)?.written ?? name);
  }

  text(key: string): string {
    const value = this.raw(key);
    if (value === undefined || typeof value === 'string') return value ?? '';
    this.#wrongType(key, value, 'text');
    return '';
  }

  /** Text that must be there and not empty; an error otherwise, and '' to go on with. */
  requiredText(key: string, what: string): string {
    const value = this.text(key);
    if (value === '' && (!this.has(key) || this.raw(key) === '')) this.missing(key, what);
    if (value !== value.trim() && key !== 'column') {
      const details = { found: JSON.stringify(value), suggestion: value.trim() };
      this.context.report('INFERFLOW_CONFIG_LIKELY_TYPO', this.pathOf(key), `${this.#label(key)} begins or ends with a blank`, details);
    }
    return value;
  }

  boolean(key: string): boolean {
    return this.optionalBoolean(key) ?? false;
  }

  optionalBoolean(key: string): boolean | undefined {
    const value = this.raw(key);
    if (value === undefined || typeof value === 'boolean') return value;
    this.#wrongType(key, value, 'true or false');
    return undefined;
  }

  /** A whole number; undefined if absent or wrong. */
  integer(key: string): number | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
    this.#wrongType(key, value, 'a whole number');
    return undefined;
  }

  /** A whole number that is not negative; 0 and absent are undefined. */
  positive(key: string, unit: string): number | undefined {
    const value = this.integer(key);
    if (value !== undefined && value < 0) {
      this.invalid(key, `${this.#label(key)} is negative`, { found: String(value), expected: `0 or more ${unit}` });
      return undefined;
    }
    if (value !== undefined && value > LARGEST) {
      const details = { found: String(value), expected: `at most ${LARGEST} ${unit}` };
      this.context.report('INFERFLOW_CONFIG_CLAMPED', this.pathOf(key), `${this.#label(key)} is above ${LARGEST}, which is used`, details);
      return LARGEST;
    }
    return value === 0 ? undefined : value;
  }

  number(key: string): number | undefined {
    const value = this.raw(key);
    if (value === undefined || typeof value === 'number') return value;
    this.#wrongType(key, value, 'a number');
    return undefined;
  }

  /** A percentage; absent gives the fallback, negative is an error, more than 100 is cut with a warning. */
  percentage(key: string, fallback: number): number {
    const value = this.integer(key);
    if (value === undefined) return fallback;
    if (value < 0) this.invalid(key, `${this.#label(key)} is negative`, { found: String(value), expected: '0 to 100' });
    if (value > 100) {
      const details = { found: String(value), expected: '0 to 100' };
      this.context.report('INFERFLOW_CONFIG_CLAMPED', this.pathOf(key), `${this.#label(key)} is above 100; 100 is used`, details);
    }
    return Math.min(100, Math.max(0, value));
  }

  /** One of a few words; the fallback if absent or wrong. */
  choice<T extends string>(key: string, choices: readonly T[], fallback: T): T {
    const value = this.raw(key);
    if (value === undefined) return fallback;
    if (typeof value !== 'string') {
      this.#wrongType(key, value, choices.map((choice) => `"${choice}"`).join(' or '));
      return fallback;
    }
    const found = choices.find((choice) => choice === value);
    if (found !== undefined) return found;
    const suggestion = choices.find((choice) => editDistance(choice, value.toLowerCase(), 2) <= 2);
    const expected = choices.map((choice) => `"${choice}"`).join(' or ');
    this.invalid(key, `${this.#label(key)} is ${describeValue(value)}, not ${expected}`, {
      found: describeValue(value),
      expected,
      suggestion,
    });
    return fallback;
  }

  /** The items of a list; empty if absent or wrong. */
  list(key: string): readonly JsonValue[] {
    const value = this.raw(key);
    if (value === undefined) return [];
    if (Array.isArray(value)) return value;
    this.#wrongType(key, value, 'a list');
    return [];
  }

  texts(key: string): readonly string[] {
    return readTexts(this.context, this.list(key), this.pathOf(key));
  }

  /** Texts of which none may be empty. */
  names(key: string, what: string): readonly string[] {
    const names = this.texts(key);
    for (const [index, item] of this.list(key).entries()) {
      if (item !== '' && item !== null) continue;
      const path = joinPath(this.pathOf(key), index);
      this.context.report('INFERFLOW_CONFIG_INVALID_VALUE', path, `${what} has an empty name in ${this.#label(key)}`, {
        found: describeValue(item),
      });
    }
    return names;
  }

  integers(key: string): readonly number[] {
    return readIntegers(this.context, this.list(key), this.pathOf(key));
  }

  /** A reader of a member object, undefined if absent or wrong. */
  object(key: string, kind: ObjectKind, place: string | null = null): ObjectReader | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    if (isJsonObject(value)) return new ObjectReader(this.context, kind, value, this.pathOf(key), place);
    this.#wrongType(key, value, 'an object');
    return undefined;
  }

  /** Readers of the objects in a list. An item that is no object is reported and left out. */
  objects(key: string, kind: ObjectKind, placeOf: (index: number) => string | null): readonly ObjectReader[] {
    return this.list(key).flatMap((item, index) => {
      const path = joinPath(this.pathOf(key), index);
      if (isJsonObject(item)) return [new ObjectReader(this.context, kind, item, path, placeOf(index))];
      reportType(this.context, path, item, 'an object');
      return [];
    });
  }

  /** The entries of a map; empty if absent or wrong. */
  map(key: string): readonly (readonly [string, JsonValue])[] {
    const value = this.raw(key);
    if (value === undefined) return [];
    if (isJsonObject(value)) return Object.entries(value);
    this.#wrongType(key, value, 'an object');
    return [];
  }

  missing(key: string, what: string): void {
    const message = `${what} needs ${this.#label(key)}`;
    this.context.report('INFERFLOW_CONFIG_MISSING', this.pathOf(key), message, { found: describeValue(this.raw(key)) });
  }

  invalid(key: string, message: string, details: { found?: string; expected?: string; suggestion?: string | undefined } = {}): void {
    this.context.report('INFERFLOW_CONFIG_INVALID_VALUE', this.pathOf(key), message, details);
  }

  #sort(object: JsonObject, place: string | null): void {
    const known = knownNames(this.#kind, this.context.dialect);
    const extra = emptyRecord<JsonValue>();
    for (const [written, value] of Object.entries(object)) {
      const name = known.get(written.toLowerCase());
      if (name === undefined) {
        extra[written] = value;
        this.#hintUnknown(written, known.keys());
        continue;
      }
      const earlier = this.#values.get(name);
      if (earlier !== undefined) {
        const message = `${JSON.stringify(earlier.written)} and ${JSON.stringify(written)} are the same field; the last one is used`;
        this.context.report('INFERFLOW_CONFIG_DUPLICATE_FIELD', joinPath(this.path, written), message);
      }
      if (value !== null || earlier === undefined) this.#values.set(name, { value, written });
    }
    if (place !== null && Object.keys(extra).length > 0) this.context.extra[place] = Object.freeze(extra);
  }

  #hintUnknown(written: string, known: Iterable<string>): void {
    const lower = written.toLowerCase();
    const path = joinPath(this.path, written);
    const otherDialect = this.context.dialect === 'deployed' ? 'documented' : 'deployed';
    const namesake = fieldNames(this.#kind, otherDialect).find((name) => name.toLowerCase() === lower);
    if (namesake !== undefined) {
      const message = `${JSON.stringify(written)} is a field of the ${otherDialect} dialect, this config is in the ${this.context.dialect} one; it is ignored`;
      this.context.report('INFERFLOW_CONFIG_UNKNOWN_FIELD', path, message, { found: written });
      return;
    }
    const plain = plainName(lower);
    for (const suggestion of known) {
      if (plainName(suggestion) !== plain && editDistance(suggestion, lower, 1) > 1) continue;
      const message = `unknown field ${JSON.stringify(written)} is ignored`;
      this.context.report('INFERFLOW_CONFIG_UNKNOWN_FIELD', path, message, { found: written, suggestion });
      return;
    }
    // Where an editor finds the schema.
    if (written === '$schema') return;
    const message = `unknown field ${JSON.stringify(written)} is ignored`;
    this.context.report('INFERFLOW_CONFIG_UNKNOWN_FIELD', path, message, { found: written, severity: 'hint' });
  }

  #name(key: string): string | null {
    return fieldName(this.#kind, key, this.context.dialect);
  }

  #label(key: string): string {
    return this.#name(key) ?? key;
  }

  #wrongType(key: string, value: JsonValue, expected: string): void {
    reportType(this.context, this.pathOf(key), value, expected);
  }
}

/** `cacheTtl`, `cache-ttl` and `cache_ttl` are one name to a reader, though not to the parser. */
function plainName(name: string): string {
  return name.toLowerCase().replaceAll(/[-_ ]/g, '');
}

const namesByLower = new Map<string, ReadonlyMap<string, string>>();

/** Field names of an object by their lower-case form. */
function knownNames(kind: ObjectKind, dialect: Dialect): ReadonlyMap<string, string> {
  const key = `${kind} ${dialect}`;
  let names = namesByLower.get(key);
  if (names === undefined) {
    names = new Map(fieldNames(kind, dialect).map((name) => [name.toLowerCase(), name]));
    namesByLower.set(key, names);
  }
  return names;
}

/** Reports a value of the wrong JSON type. */
export function reportType(context: ParseContext, path: string, value: JsonValue | undefined, expected: string): void {
  const found = describeValue(value);
  context.report('INFERFLOW_CONFIG_WRONG_TYPE', path, `expected ${expected}, found ${found}`, { found, expected });
}

/** The texts of a list; anything else in it is reported and left out. `null` is the empty text, as in the original. */
export function readTexts(context: ParseContext, items: readonly JsonValue[], path: string): readonly string[] {
  return items.flatMap((item, index) => {
    if (typeof item === 'string') return [item];
    if (item === null) return [''];
    reportType(context, joinPath(path, index), item, 'text');
    return [];
  });
}

/** The whole numbers of a list; anything else in it is reported and left out. */
export function readIntegers(context: ParseContext, items: readonly JsonValue[], path: string): readonly number[] {
  return items.flatMap((item, index) => {
    if (typeof item === 'number' && Number.isSafeInteger(item)) return [item];
    reportType(context, joinPath(path, index), item, 'a whole number');
    return [];
  });
}
