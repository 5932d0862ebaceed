import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelServerError } from './errors.js';
import type { LocalModelOptions } from './local-models.js';

/**
 * The models of a directory: every `<name>.onnx` in it, as version 1. Other files and folders are left alone.
 *
 * @throws ModelServerError INFERFLOW_MODEL_SERVER_MODEL_INVALID when it cannot be read or holds no model
 */
export async function findModels(directory: string): Promise<LocalModelOptions[]> {
  let names: string[];
  try {
    names = await readdir(directory);
  } catch (cause) {
    throw new ModelServerError(
      'INFERFLOW_MODEL_SERVER_MODEL_INVALID',
      `model directory ${directory} cannot be read: ${cause instanceof Error ? cause.message : ''}`,
      cause,
    );
  }
  const models = names
    .filter((name) => name.endsWith('.onnx') && !name.startsWith('.'))
    .sort()
    .map((name) => ({ name: name.slice(0, -'.onnx'.length), file: join(directory, name) }));
  if (models.length === 0)
    throw new ModelServerError(
      'INFERFLOW_MODEL_SERVER_MODEL_INVALID',
      `model directory ${directory}: expected at least one file that ends in .onnx`,
    );
  return models;
}
