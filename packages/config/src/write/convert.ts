import type { JsonObject } from '../json.js';
import type { Dialect, ModelConfig } from '../model-config.js';
import type { Problem } from '../problem.js';
import { DocumentWriter } from './document-writer.js';
import { writeModel } from './write-model.js';

/** A config in one dialect, and what could not be kept. */
export interface Conversion {
  readonly document: JsonObject;
  /** Unknown fields for which the dialect has no place. Known settings are never lost. */
  readonly losses: readonly Problem[];
}

/** Writes a config in a dialect; parsing the result gives a config of the same meaning. Objects of the result have no prototype. */
export function convertModel(config: ModelConfig, to: Dialect): Conversion {
  const writer = new DocumentWriter(to, config);
  return { document: writeModel(writer, config), losses: writer.losses() };
}

/** Writes a config in the documented dialect. */
export function toDocumented(config: ModelConfig): JsonObject {
  return convertModel(config, 'documented').document;
}

/** Writes a config in the deployed dialect: the original service can load it too, and ignores what it does not know. */
export function toDeployed(config: ModelConfig): JsonObject {
  return convertModel(config, 'deployed').document;
}
