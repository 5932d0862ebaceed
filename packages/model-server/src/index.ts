export { ModelServerError, type ModelServerErrorCode } from './errors.js';
export { createLocalModels, type LocalModel, type LocalModelOptions, type LocalModels, type LocalModelsOptions } from './local-models.js';
export { findModels } from './model-directory.js';
export { createModelHandler, MODEL_INFER_PATH } from './model-handler.js';
export type { InferOptions, Runner } from './runner.js';
export type { Tensor, TensorSpec } from './tensor.js';
