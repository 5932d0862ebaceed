/** A JSON value, as `JSON.parse` gives it. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;

/** A JSON object. Keys are data (component and column names), so look them up with `Object.hasOwn`. */
export interface JsonObject {
  readonly [key: string]: JsonValue;
}
