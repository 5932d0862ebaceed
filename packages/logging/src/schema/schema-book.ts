import { buildLogSchema, type LogSchema, recordVersion } from './log-schema.js';
import type { LoggedModel } from './logged-model.js';

/** Options of {@link SchemaBook}. */
export interface SchemaBookOptions {
  /** Schemas kept per model; the oldest goes first. @default 64 */
  readonly schemasPerModel?: number;
}

/**
 * Log schemas of every configuration that was loaded, by content hash and by `cache_version` (the newest configuration with that
 * version), so that records written before a change stay readable.
 */
export class SchemaBook {
  readonly #limit: number;
  readonly #models = new Map<string, Map<string, LogSchema>>();

  constructor(options: SchemaBookOptions = {}) {
    this.#limit = options.schemasPerModel ?? 64;
  }

  /** Adds a configuration, or makes it the newest again; returns its schema. */
  add(model: LoggedModel): LogSchema {
    return this.#put(this.byHash(model.modelConfigId, model.hash) ?? buildLogSchema(model));
  }

  /** Adds a schema that an earlier process knew; the newest of its model from here on. */
  restore(schema: LogSchema): void {
    this.#put(schema);
  }

  #put(schema: LogSchema): LogSchema {
    const { modelConfigId, configHash } = schema;
    let byHash = this.#models.get(modelConfigId);
    if (byHash === undefined) {
      byHash = new Map();
      this.#models.set(modelConfigId, byHash);
    }
    // Map order is age: the newest last.
    byHash.delete(configHash);
    byHash.set(configHash, schema);
    for (const hash of byHash.keys()) {
      if (byHash.size <= this.#limit) break;
      byHash.delete(hash);
    }
    return schema;
  }

  /** The schema of exactly this configuration. */
  byHash(modelConfigId: string, configHash: string): LogSchema | undefined {
    return this.#models.get(modelConfigId)?.get(configHash);
  }

  /** The schema of the newest configuration with this version. Versions are compared as the record's metadata holds them (0–15). */
  byVersion(modelConfigId: string, version: number): LogSchema | undefined {
    let found: LogSchema | undefined;
    for (const schema of this.#models.get(modelConfigId)?.values() ?? []) {
      if (schema.version === version || recordVersion(schema.version) === version) found = schema;
    }
    return found;
  }

  /** The newest schema of a model. */
  newest(modelConfigId: string): LogSchema | undefined {
    return [...(this.#models.get(modelConfigId)?.values() ?? [])].at(-1);
  }

  /** Models and how many schemas of each are known. */
  list(): readonly { readonly modelConfigId: string; readonly schemas: readonly LogSchema[] }[] {
    return [...this.#models].map(([modelConfigId, byHash]) => ({ modelConfigId, schemas: [...byHash.values()] }));
  }
}

/** The answer of the schema endpoint: the array's order is the feature index. */
export function schemaAnswer(schema: LogSchema): {
  readonly data: readonly { readonly feature_name: string; readonly feature_type: string; readonly feature_size: number }[];
} {
  return { data: schema.features.map(({ name, typeText, size }) => ({ feature_name: name, feature_type: typeText, feature_size: size })) };
}
