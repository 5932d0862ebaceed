import { emptyRecord, type JsonObject, type JsonValue } from '../json.js';
import type { Dialect, ModelConfig } from '../model-config.js';
import { createProblem } from '../parse/parse-context.js';
import type { Problem } from '../problem.js';
import { fieldName, fieldNames } from '../schema/fields.js';
import type { ObjectKind } from '../schema/object-kinds.js';

/** Values by field key; undefined ones are left out. */
export type FieldValues = Readonly<Record<string, JsonValue | undefined>>;

/** Writes objects of one dialect: fields in the order given, then the unknown fields kept for that place. */
export class DocumentWriter {
  readonly dialect: Dialect;
  /** The model's `compat`, on which defaults depend. */
  readonly compat: boolean;
  /** Column with the ids of rows. */
  readonly idColumn: string;
  readonly #extra: ModelConfig['extra'];
  readonly #written = new Set<string>();
  readonly #dropped: Problem[] = [];

  constructor(dialect: Dialect, config: Pick<ModelConfig, 'compat' | 'extra' | 'response'>) {
    this.dialect = dialect;
    this.compat = config.compat;
    this.idColumn = config.response.idColumn;
    this.#extra = config.extra;
  }

  object(kind: ObjectKind, place: string, values: FieldValues): JsonObject {
    const object = emptyRecord<JsonValue>();
    for (const [key, value] of Object.entries(values)) {
      const name = fieldName(kind, key, this.dialect);
      if (name !== null && value !== undefined) object[name] = value;
    }
    this.#written.add(place);
    const known = new Set(fieldNames(kind, this.dialect).map((name) => name.toLowerCase()));
    for (const [name, value] of Object.entries(this.#extra[place] ?? {})) {
      if (known.has(name.toLowerCase())) this.#drop(place, name, `its name has a meaning in the ${this.dialect} dialect`);
      else object[name] = value;
    }
    return object;
  }

  /** True if unknown fields are kept for the place, or for places below it. */
  hasExtra(place: string): boolean {
    return Object.keys(this.#extra).some((key) => key === place || key.startsWith(`${place}/`));
  }

  /** Unknown fields that found no place in what was written. */
  losses(): readonly Problem[] {
    const missed = Object.entries(this.#extra).filter(([place]) => !this.#written.has(place));
    for (const [place, fields] of missed) {
      for (const name of Object.keys(fields)) this.#drop(place, name, `the ${this.dialect} dialect has no object there`);
    }
    return this.#dropped;
  }

  #drop(place: string, name: string, reason: string): void {
    const message = `unknown field ${JSON.stringify(name)} of ${place} cannot be kept: ${reason}`;
    this.#dropped.push(createProblem('INFERFLOW_CONFIG_EXTRA_DROPPED', '$', message, { found: name }));
  }
}

/** True if JSON objects keep these keys apart and in this order: no repeats, and none that looks like a list position. */
export function canBeKeys(names: readonly string[]): boolean {
  return new Set(names).size === names.length && names.every((name) => !/^(0|[1-9]\d*)$/.test(name));
}
