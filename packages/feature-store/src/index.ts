export type { SourceFilter } from './entity-table.js';
export { FeatureStoreError, type FeatureStoreErrorCode, type LoadProblem } from './errors.js';
export { createFeatureStoreHandler, RETRIEVE_DECODED_PATH, RETRIEVE_FEATURES_PATH } from './feature-store-handler.js';
export { createMemoryFeatureStore, type FeatureStore, type MemoryFeatureStoreOptions, type StoreSource } from './memory-feature-store.js';
export {
  type EntityDefinition,
  type FeatureDefinition,
  type FileSource,
  type GroupDefinition,
  loadStoreSchema,
  parseStoreSchema,
  type StoreSchema,
} from './store-schema.js';
